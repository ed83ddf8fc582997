import module from "node:module";
import path from "node:path";
import vm from "node:vm";
import type { ImportRecord } from "../codec/graph/nodes.ts";
import { placeHere, placesId } from "./elsewhere.ts";
import { pathOf, urlOf } from "./urls.ts";

export type DynamicImport = (specifier: string, options?: ImportCallOptions) => Promise<unknown>;

const importers = new Map<string, DynamicImport>();

/**
 * `import()` as the module at `parentUrl`, a URL on the driver, has it: by the process's own loader, hooks included.
 */
export function importerOf(driverUrl: string): DynamicImport {
  const parentUrl = placeHere(driverUrl);
  let importer = importers.get(parentUrl);
  if (!importer) {
    const isFile = parentUrl.startsWith("file:") || path.isAbsolute(parentUrl);
    const script = new vm.Script("(specifier, options) => import(specifier, options)", {
      filename: isFile ? parentUrl : path.join(process.cwd(), "_.js"),
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
    importer = withoutItsWarning(script.runInThisContext() as DynamicImport);
    importers.set(parentUrl, importer);
  }
  return importer;
}

let warned = false;

/** Node warns once that this loader constant is experimental; the user didn't ask for it. */
function withoutItsWarning(load: DynamicImport): DynamicImport {
  return (specifier, options) => {
    if (warned) return load(specifier, options);
    warned = true;
    const { emitWarning } = process;
    const filtered = (warning: string | Error, ...rest: unknown[]): void => {
      if (!String(warning).includes("USE_MAIN_CONTEXT_DEFAULT_LOADER"))
        Reflect.apply(emitWarning, process, [warning, ...rest]);
    };
    process.emitWarning = filtered as typeof emitWarning;
    return load(specifier, options).finally(() => {
      if (process.emitWarning === filtered) process.emitWarning = emitWarning;
    });
  };
}

const loaded = new Map<string, { readonly namespace: unknown }>();

/** The module's namespace; a promise only the first time in this process. */
export function loadImport(record: ImportRecord): unknown {
  const { parent, specifier, commonjs, interop, attributes } = record;
  const key = JSON.stringify([placesId(), parent, specifier, commonjs, interop, attributes]);
  const known = loaded.get(key);
  if (known) return known.namespace;
  const keep = (namespace: unknown): unknown => {
    loaded.set(key, { namespace });
    return namespace;
  };
  if (commonjs) return keep(withInterop(requireOf(parent)(specifier), interop));
  const options = attributes ? { with: attributes } : undefined;
  return importerOf(parent)(specifier, options as ImportCallOptions).then(keep);
}

/** `require` of the file at `url`, a URL on the driver. */
export const requireOf = (url: string): NodeJS.Require => module.createRequire(placeHere(pathOf(url)));

/** What compilers' helpers make of `module.exports`. */
function withInterop(exports: unknown, helper: string | undefined): unknown {
  if (!helper) return exports;
  if ((exports as { __esModule?: unknown } | null)?.__esModule) return exports;
  if (!/star|wildcard|toesm/i.test(helper)) return { default: exports };
  return Object.assign(Object.create(null) as object, exports, { default: exports });
}

/** `import.meta` of the module at `url` on the driver, which was the program's main script or not. */
export function importMeta(driverUrl: string, isMain = false): Record<string, unknown> {
  const url = placeHere(driverUrl);
  const meta: Record<string, unknown> = {
    url,
    ...("main" in import.meta ? { main: isMain } : {}),
    resolve: (specifier: string): string => {
      if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, url).href;
      if (module.isBuiltin(specifier)) return specifier.startsWith("node:") ? specifier : `node:${specifier}`;
      return urlOf(module.createRequire(url).resolve(specifier));
    },
  };
  if (url.startsWith("file:")) {
    meta["filename"] = pathOf(url);
    meta["dirname"] = path.dirname(pathOf(url));
  }
  return meta;
}

/** What CommonJS code calls `module`. */
export function moduleObject(driverUrl: string): object {
  const url = placeHere(driverUrl);
  return url.startsWith("file:")
    ? { ...importMeta(driverUrl), exports: {}, id: ".", filename: pathOf(url) }
    : importMeta(driverUrl);
}
