import { openMemoryKeyValueStore } from "../../src/storage/kv/memory.ts";
import { objectsOnKeys } from "../../src/storage/objects-on-keys/store.ts";
import { describeObjectStore } from "../conformance/object-store.ts";
import { describeWith } from "../services/services.ts";
import { newRedisObjectStore, REDIS_SUITE } from "./redis-stores.ts";

describeObjectStore(
  "objects on keys in memory",
  async () => ({ store: objectsOnKeys(openMemoryKeyValueStore()) }),
  {
    capabilities: { append: "native", putIfAbsent: true, durable: false },
    sharing: { handles: "each has memory of its own", processes: "it lives in one process" },
  },
);

describeWith("redis", "one Redis server", (service) => {
  describeObjectStore("objects on keys in Redis", () => newRedisObjectStore(service().url), REDIS_SUITE);
});

describeWith("redisCluster", "a Redis cluster", (service) => {
  describeObjectStore("objects on keys in a cluster", () => newRedisObjectStore(service().url), REDIS_SUITE);
});
