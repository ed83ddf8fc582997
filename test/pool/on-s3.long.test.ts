import { onS3 } from "../support/job-stores.ts";
import { loadJobSuites } from "./job-suites.ts";

onS3(() => loadJobSuites());
