import { afterEach } from "vitest";
import { type FaultProxy, type FaultProxyOptions, openFaultProxy } from "../services/fault-proxy.ts";
import type { S3Service } from "../services/services.ts";

/** What `storage` is for a new store on the server, in a bucket of the caller's. */
export function s3Url(
  bucket: string,
  prefix: string,
  { endpoint, region }: { endpoint: string; region: string },
): string {
  return `s3://${bucket}/${prefix}?${new URLSearchParams({ endpoint, region })}`;
}

/** Lets this process, and the workers it starts, use the server, until the function that it returns is called. */
export function useCredentials({ env }: Pick<S3Service, "env">): () => void {
  const names = Object.keys(process.env).filter((name) => name.startsWith("AWS_"));
  const before = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  const clear = () => {
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  };
  clear();
  Object.assign(process.env, env);
  return () => {
    clear();
    Object.assign(process.env, before);
  };
}

const proxies: FaultProxy[] = [];

/** A fault proxy that is closed after the test. */
export async function testProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = await openFaultProxy(options);
  proxies.push(proxy);
  return proxy;
}

afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
});
