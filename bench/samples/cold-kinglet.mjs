import { openPool } from "kinglet";

const { workers } = JSON.parse(process.argv[2]);
const pool = openPool({ concurrency: workers });
console.log(await pool.run((n) => n + 1, 41));
await pool.close();
