import "./backend.test.ts";
