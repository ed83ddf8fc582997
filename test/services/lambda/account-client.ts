import type { S3Credentials } from "../radosgw.ts";
import type { AccountOptions } from "./account.ts";
import type { FaultOrder, FaultRates, InvokeFault } from "./faults.ts";
import type { Limits } from "./limits.ts";
import { type AccountFacts, type EnvironmentFacts, ORDERS_PATH, type Order } from "./orders.ts";
import type { LambdaFacts } from "./start.ts";

/** An account of the double, as tests use it: AWS's own clients speak to `endpoint`. */
export class LambdaAccount implements AccountFacts {
  readonly endpoint: string;
  readonly accountId: string;
  readonly callerArn: string;
  readonly roleArn: string;
  readonly region: string;
  /** The caller's. The S3 server knows them, too. */
  readonly credentials: S3Credentials;
  /** What a driver, or a client of AWS, needs in its environment to use the account and the S3 server. */
  readonly env: Readonly<Record<string, string>>;
  /** What a function needs among its variables to use the S3 server: on AWS it would find S3 by itself. */
  readonly s3Variables: Readonly<Record<string, string>>;
  readonly #facts: LambdaFacts;

  constructor(facts: LambdaFacts) {
    this.#facts = facts;
    this.endpoint = facts.endpoint;
    this.accountId = facts.accountId;
    this.callerArn = facts.callerArn;
    this.roleArn = facts.roleArn;
    this.region = facts.region;
    this.credentials = facts.credentials;
    this.s3Variables = { AWS_ENDPOINT_URL_S3: facts.s3.endpoint };
    this.env = {
      AWS_ENDPOINT_URL: facts.endpoint,
      AWS_ENDPOINT_URL_S3: facts.s3.endpoint,
      AWS_REGION: facts.region,
      AWS_ACCESS_KEY_ID: facts.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: facts.credentials.secretAccessKey,
    };
  }

  /** An account of its own, with an own endpoint: for tests that set limits, deny, order faults or count. */
  async openAccount(limits: Partial<Limits> = {}): Promise<LambdaAccount> {
    const options: AccountOptions = { limits };
    return new LambdaAccount({
      ...this.#facts,
      ...(await this.#order<AccountFacts>({ do: "open account", options })),
    });
  }

  /** Callers may not do this from now on: "lambda:CreateFunction", "iam:*". */
  deny(action: string): Promise<void> {
    return this.#order({ do: "deny", action });
  }

  /** Takes a `deny` back. */
  allow(action: string): Promise<void> {
    return this.#order({ do: "allow", action });
  }

  /** One fault, at one of the synchronous invocations that come. */
  orderFault(fault: InvokeFault, order: Omit<FaultOrder, "fault"> = {}): Promise<void> {
    return this.#order({ do: "order fault", order: { ...order, fault } });
  }

  /** Faults at random from now on; counts start from 0. */
  setFaultRates(rates: FaultRates): Promise<void> {
    return this.#order({ do: "set fault rates", rates });
  }

  /** Faults that happened, by kind. */
  faultCounts(): Promise<Record<InvokeFault, number>> {
    return this.#order({ do: "count faults" });
  }

  environments(region = this.region): Promise<EnvironmentFacts[]> {
    return this.#order({ do: "list environments", region });
  }

  /** As when its host fails. Resolves when it is gone. */
  killEnvironment(id: string, region = this.region): Promise<void> {
    return this.#order({ do: "kill environment", region, id });
  }

  /** All its processes stand still for a while. Resolves when they do. */
  freezeEnvironment(id: string, ms: number, region = this.region): Promise<void> {
    return this.#order({ do: "freeze environment", region, id, ms });
  }

  /** Ends what runs nothing, as AWS does after some minutes. @returns how many */
  reapIdle(region = this.region): Promise<number> {
    return this.#order({ do: "reap idle environments", region });
  }

  /** What functions sign with that get this role from now on: the store's reader may write nothing. */
  setRoleCredentials(roleName: string, credentials: S3Credentials): Promise<void> {
    return this.#order({ do: "set role credentials", roleName, credentials });
  }

  async #order<T>(order: Order): Promise<T> {
    const answer = await fetch(this.endpoint + ORDERS_PATH, { method: "POST", body: JSON.stringify(order) });
    const { done, error } = (await answer.json()) as { done?: T; error?: string };
    if (error !== undefined) throw new Error(`the double of AWS Lambda: ${error}`);
    return done as T;
  }
}
