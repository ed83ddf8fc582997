import { describeKeyValueStore } from "../conformance/key-value-store.ts";
import { describeWith } from "../services/services.ts";
import { newRedisKeyValueStore } from "./redis-stores.ts";

const SUITE = { capabilities: { durable: true, shared: true }, histories: 15 };

describeWith("redis", "one Redis server", (service) => {
  describeKeyValueStore("redis", () => newRedisKeyValueStore(service().url), SUITE);
});

describeWith("redisCluster", "a Redis cluster", (service) => {
  describeKeyValueStore("redis cluster", () => newRedisKeyValueStore(service().url), SUITE);
});
