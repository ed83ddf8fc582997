import { registerClass } from "../codec/graph/registry.ts";
import {
  CaptureError,
  KingletError,
  StoreError,
  TaskError,
  UnserializableError,
  UsageError,
} from "../errors.ts";
import type { CutRule } from "../slices/options.ts";
import type { PatternHome } from "../slices/patterns.ts";
import { PoolSlice, type SliceFacts, sliceFacts } from "../slices/pool-slice.ts";
import { SliceSet } from "../slices/slice-set.ts";
import type { StoreLocation } from "../storage/locate.ts";
import { arrivedHandle, Broadcast } from "./broadcast.ts";
import { FileSet, fileFacts, fileOf, PoolFile } from "./pool-file.ts";
import { Secret } from "./secret.ts";
import { NamedStore, StoredObject } from "./stored-object.ts";

/** Kinglet's own classes, known by name in the driver and in every worker: only their few facts travel. */
export function registerHandles(): void {
  registerClass("kinglet.PoolFile", PoolFile, {
    encode: (file) => fileFacts(file),
    decode: fileOf,
  });
  registerClass("kinglet.FileSet", FileSet, {
    encode: (files) => [files.patterns, files.home],
    decode: ([patterns, home]: [string[], PatternHome]) => new FileSet(patterns, home),
  });
  registerClass("kinglet.PoolSlice", PoolSlice, {
    encode: (slice) => sliceFacts(slice),
    decode: (facts: SliceFacts) => new PoolSlice(facts),
  });
  registerClass("kinglet.SliceSet", SliceSet, {
    encode: (slices) => [slices.patterns, slices.rule, slices.home],
    decode: ([patterns, rule, home]: [string[], CutRule, PatternHome]) => new SliceSet(patterns, rule, home),
  });
  registerClass("kinglet.StoredObject", StoredObject, {
    encode: (object) => [object.key, object.location],
    decode: ([key, location]: [string, StoreLocation]) => new StoredObject(key, location),
  });
  registerClass("kinglet.NamedStore", NamedStore, {
    encode: (store) => store.location,
    decode: (location: StoreLocation) => new NamedStore(location),
  });
  registerClass("kinglet.Broadcast", Broadcast, {
    encode: (value) => [value.key, value.location],
    decode: ([key, location]: [string, StoreLocation]) => arrivedHandle(key, location),
  });
  registerClass("kinglet.Secret", Secret, {
    encode: (secret) => secret.name,
    decode: (name: string) => new Secret(name),
  });
  for (const [name, error] of Object.entries({
    CaptureError,
    KingletError,
    StoreError,
    TaskError,
    UnserializableError,
    UsageError,
  })) {
    registerClass(`kinglet.${name}`, error);
  }
}
