import { describeObjectStore } from "../conformance/object-store.ts";
import { DISK_SUITE, newDiskStore } from "./disk-stores.ts";

describeObjectStore("disk", async () => newDiskStore(), DISK_SUITE);
describeObjectStore("disk with fsync", async () => newDiskStore({ durability: "fsync" }), DISK_SUITE);
