import { onRedis } from "../support/job-stores.ts";
import { loadJobSuites } from "./job-suites.ts";

onRedis(() => loadJobSuites());
