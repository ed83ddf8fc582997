import { onLambda } from "../support/job-stores.ts";
import { loadJobSuites } from "./job-suites.ts";

/** Their tests meet their tasks in files, which tasks on Lambda don't see. */
const WITHOUT = ["consumed", "driver-kill", "durable", "values"];

onLambda(() => loadJobSuites({ without: WITHOUT }));
