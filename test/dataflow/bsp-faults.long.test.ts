import "./bsp-faults.test.ts";
