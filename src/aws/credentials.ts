import { StoreError } from "../errors.ts";
import type { Credentials } from "./sign.ts";

export interface CredentialSource {
  /** Valid ones, at once where they are known. @throws StoreError STORE_REFUSED where there are none */
  get(): Credentials | Promise<Credentials>;
  /** Asks anew, after the server called the last ones expired. False where that can't help. */
  renew(): boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;
/** What AWS's providers give. */
interface AwsIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** Temporary credentials are replaced this long before they end. */
const EARLY_MS = 5 * 60_000;

/**
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, read directly; where they aren't set, AWS's own chain
 * (configuration files, SSO, web identity, container, instance) by `@aws-sdk/credential-providers`.
 */
export function credentialSource(
  env: Environment = process.env,
  nowMs: () => number = Date.now,
): CredentialSource {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = env;
  if (accessKeyId && secretAccessKey) {
    const fixed = {
      accessKeyId,
      secretAccessKey,
      ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
    };
    return { get: () => fixed, renew: () => false };
  }
  return new RenewedCredentials(providerChain, nowMs);
}

/** Keeps what `load` gave until shortly before it ends; many who ask at once share one load. */
export class RenewedCredentials implements CredentialSource {
  readonly #load: () => Promise<AwsIdentity>;
  readonly #nowMs: () => number;
  #known: Credentials | undefined;
  #loading: Promise<Credentials> | undefined;

  constructor(load: () => Promise<AwsIdentity>, nowMs: () => number) {
    this.#load = load;
    this.#nowMs = nowMs;
  }

  get(): Credentials | Promise<Credentials> {
    const known = this.#known;
    if (known && this.#nowMs() < (known.expiresMs ?? Number.POSITIVE_INFINITY) - EARLY_MS) return known;
    this.#loading ??= this.#loadAnew().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  renew(): boolean {
    this.#known = undefined;
    return true;
  }

  async #loadAnew(): Promise<Credentials> {
    let identity: AwsIdentity;
    try {
      identity = await this.#load();
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      throw noCredentials((cause as Error).message, cause);
    }
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = identity;
    this.#known = {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken ? { sessionToken } : {}),
      ...(expiration ? { expiresMs: expiration.getTime() } : {}),
    };
    return this.#known;
  }
}

let chain: (() => Promise<AwsIdentity>) | undefined;

async function providerChain(): Promise<AwsIdentity> {
  if (chain === undefined) {
    let providers: typeof import("@aws-sdk/credential-providers");
    try {
      providers = await import("@aws-sdk/credential-providers");
    } catch (cause) {
      throw noCredentials("they aren't in the environment, and AWS's other sources need its package", cause);
    }
    chain = providers.fromNodeProviderChain();
  }
  return chain();
}

function noCredentials(why: string, cause: unknown): StoreError {
  return new StoreError("STORE_REFUSED", `there are no credentials for AWS: ${why}`, {
    cause,
    remedy:
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or, for profiles, SSO and roles: npm i @aws-sdk/credential-providers",
  });
}
