import "./faults-on-the-wire-redis.test.ts";
