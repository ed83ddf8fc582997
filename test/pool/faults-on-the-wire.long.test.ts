import "./faults-on-the-wire.test.ts";
