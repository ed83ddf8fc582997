// The worker of workerpool in the benchmark `cold`.
import workerpool from "workerpool";

workerpool.worker({ increment: (n) => n + 1 });
