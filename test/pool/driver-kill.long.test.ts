import "./driver-kill.test.ts";
