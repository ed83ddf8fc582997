import { openStoreAt, type StoreLocation } from "../../src/storage/locate.ts";

/** For processes of the conformance suite: any store, with all that jobs have around it. */
export const openStore = (argument: string) => openStoreAt(JSON.parse(argument) as StoreLocation);
