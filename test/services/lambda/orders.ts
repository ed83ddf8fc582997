import type { Account, AccountOptions } from "./account.ts";
import type { Credentials, Environment } from "./environment.ts";
import type { FaultOrder, FaultRates } from "./faults.ts";

/** Where tests order what AWS has no operation for: a POST of an `Order` to an account's endpoint. */
export const ORDERS_PATH = "/_double";

export type Order =
  | { readonly do: "open account"; readonly options: AccountOptions }
  | { readonly do: "deny" | "allow"; readonly action: string }
  | { readonly do: "order fault"; readonly order: FaultOrder }
  | { readonly do: "set fault rates"; readonly rates: FaultRates }
  | { readonly do: "count faults" }
  | { readonly do: "list environments"; readonly region: string }
  | { readonly do: "kill environment"; readonly region: string; readonly id: string }
  | { readonly do: "freeze environment"; readonly region: string; readonly id: string; readonly ms: number }
  | { readonly do: "reap idle environments"; readonly region: string }
  | { readonly do: "set role credentials"; readonly roleName: string; readonly credentials: Credentials };

export interface AccountFacts {
  /** Of all its services: `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  readonly accountId: string;
  /** Of whoever uses `credentials`. */
  readonly callerArn: string;
  /** A role that Lambda may assume, there from the start. */
  readonly roleArn: string;
}

export interface EnvironmentFacts {
  readonly id: string;
  readonly functionName: string;
  readonly isBusy: boolean;
  /** Of the process tree's first, seen from outside. */
  readonly pid: number;
  /** That it was given, in all. */
  readonly invocations: number;
}

export type OpenAccount = (options: AccountOptions) => Promise<AccountFacts>;

/** @throws Error that the test sees */
export async function obey(account: Account, order: Order, openAccount: OpenAccount): Promise<unknown> {
  switch (order.do) {
    case "open account":
      return openAccount(order.options);
    case "deny":
      return account.deny(order.action);
    case "allow":
      return account.allow(order.action);
    case "order fault":
      return account.faults.order(order.order);
    case "set fault rates":
      return account.faults.setRates(order.rates);
    case "count faults":
      return account.faults.counts;
    case "list environments":
      return account.region(order.region).fleet.list();
    case "kill environment": {
      const environment = environmentOf(account, order);
      environment.kill();
      return environment.gone.promise;
    }
    case "freeze environment":
      return environmentOf(account, order).freezeFor(order.ms);
    case "reap idle environments":
      return account.region(order.region).fleet.reapIdle();
    case "set role credentials":
      account.roles.get(order.roleName).credentials = order.credentials;
      return {};
  }
}

function environmentOf(account: Account, { region, id }: { region: string; id: string }): Environment {
  const environment = account.region(region).fleet.find(id);
  if (!environment) throw new Error(`there is no environment ${id} in ${region}`);
  return environment;
}
