import "./big-job.test.ts";
