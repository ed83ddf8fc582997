// The worker of piscina in the benchmark `cold`.
export default (n) => n + 1;
