import { randomBytes } from "node:crypto";
import type { Credentials } from "./environment.ts";
import { AwsError } from "./errors.ts";

export interface Role {
  readonly name: string;
  readonly arn: string;
  readonly id: string;
  readonly createdAt: Date;
  /** JSON, as it was given. */
  readonly trust: string;
  readonly description: string | undefined;
  readonly tags: { Key: string; Value: string }[];
  /** Inline policies by name: JSON. */
  readonly policies: Map<string, string>;
  readonly attached: Map<string, string>;
  /** What whoever acts as it signs with. */
  credentials: Credentials;
}

type Input = Readonly<Record<string, string>>;
/** What an answer holds: text, or more of it. A list is one `member` after the other. */
export type Xml = string | number | boolean | Xml[] | { [name: string]: Xml | undefined };

/** The little of IAM that deploying needs: https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html */
export class Roles {
  readonly #accountId: string;
  readonly #propagationMs: number;
  readonly #credentials: Credentials;
  readonly #roles = new Map<string, Role>();

  /** @param credentials what all roles get: a store's users are not ours to make */
  constructor(accountId: string, propagationMs: number, credentials: Credentials) {
    this.#accountId = accountId;
    this.#propagationMs = propagationMs;
    this.#credentials = credentials;
  }

  arnOf(name: string): string {
    return `arn:aws:iam::${this.#accountId}:role/${name}`;
  }

  /** The role, if Lambda may act as it by now. */
  assumable(arn: string): Role | undefined {
    const role = [...this.#roles.values()].find((one) => one.arn === arn);
    if (!role || Date.now() - role.createdAt.getTime() < this.#propagationMs) return undefined;
    return role.trust.includes("lambda.amazonaws.com") ? role : undefined;
  }

  /** A role that has been there for long. */
  addEstablished(name: string, trust: string): Role {
    return this.#add(name, trust, new Date(Date.now() - 3_600_000));
  }

  get(name: string): Role {
    const role = this.#roles.get(name);
    if (!role) throw iamError("NoSuchEntity", 404, `The role with name ${name} cannot be found.`);
    return role;
  }

  /** @returns what stands in the answer's result, if there is such an operation */
  answer(operation: string, input: Input): { result: Xml | undefined } | undefined {
    const operations: Record<string, (input: Input) => Xml | undefined> = {
      CreateRole: (asked) => this.#create(asked),
      GetRole: (asked) => ({ Role: describe(this.#of(asked)) }),
      ListRoles: () => ({ Roles: [...this.#roles.values()].map(describe), IsTruncated: false }),
      DeleteRole: (asked) => this.#delete(asked),
      UpdateAssumeRolePolicy: (asked) => this.#trust(asked),
      PutRolePolicy: (asked) => this.#putPolicy(asked),
      GetRolePolicy: (asked) => this.#getPolicy(asked),
      DeleteRolePolicy: (asked) => this.#deletePolicy(asked),
      ListRolePolicies: (asked) => ({
        PolicyNames: [...this.#of(asked).policies.keys()],
        IsTruncated: false,
      }),
      ListAttachedRolePolicies: (asked) => this.#listAttached(asked),
      ListRoleTags: (asked) => ({ Tags: this.#of(asked).tags, IsTruncated: false }),
      AttachRolePolicy: (asked) => this.#attach(asked),
      DetachRolePolicy: (asked) => this.#detach(asked),
      ListInstanceProfilesForRole: (asked) => this.#of(asked) && { InstanceProfiles: [], IsTruncated: false },
    };
    const answer = operations[operation];
    return answer && { result: answer(input) };
  }

  #of(input: Input): Role {
    return this.get(input["RoleName"] ?? "");
  }

  #add(name: string, trust: string, createdAt: Date, more: Partial<Role> = {}): Role {
    const id = `AROA${randomBytes(10).toString("hex").toUpperCase().slice(0, 17)}`;
    const role: Role = {
      ...{ name, arn: this.arnOf(name), id, createdAt, trust, description: undefined, tags: [] },
      ...{ policies: new Map(), attached: new Map(), credentials: this.#credentials },
      ...more,
    };
    this.#roles.set(name, role);
    return role;
  }

  #create(input: Input): Xml {
    const name = input["RoleName"] ?? "";
    if (!/^[\w+=,.@-]{1,64}$/.test(name))
      throw iamError("ValidationError", 400, `The specified value for roleName is invalid: ${name}`);
    if (this.#roles.has(name))
      throw iamError("EntityAlreadyExists", 409, `Role with name ${name} already exists.`);
    const trust = requireJson(input, "AssumeRolePolicyDocument");
    const role = this.#add(name, trust, new Date(), {
      description: input["Description"],
      tags: tagsOf(input),
    });
    return { Role: describe(role) };
  }

  #trust(input: Input): undefined {
    const role = this.#of(input);
    this.#roles.set(role.name, { ...role, trust: requireJson(input, "PolicyDocument") });
  }

  #delete(input: Input): undefined {
    const role = this.#of(input);
    if (role.policies.size > 0)
      throw iamError("DeleteConflict", 409, "Cannot delete entity, must delete policies first.");
    if (role.attached.size > 0)
      throw iamError("DeleteConflict", 409, "Cannot delete entity, must detach all policies first.");
    this.#roles.delete(role.name);
  }

  #putPolicy(input: Input): undefined {
    this.#of(input).policies.set(input["PolicyName"] ?? "", requireJson(input, "PolicyDocument"));
  }

  #getPolicy(input: Input): Xml {
    const [role, name] = [this.#of(input), input["PolicyName"] ?? ""];
    const document = role.policies.get(name);
    if (document === undefined) throw noPolicy(name);
    return { RoleName: role.name, PolicyName: name, PolicyDocument: encodeURIComponent(document) };
  }

  #deletePolicy(input: Input): undefined {
    const name = input["PolicyName"] ?? "";
    if (!this.#of(input).policies.delete(name)) throw noPolicy(name);
  }

  #listAttached(input: Input): Xml {
    const attached = [...this.#of(input).attached].map(([PolicyArn, PolicyName]) => ({
      PolicyArn,
      PolicyName,
    }));
    return { AttachedPolicies: attached, IsTruncated: false };
  }

  #attach(input: Input): undefined {
    const arn = input["PolicyArn"] ?? "";
    this.#of(input).attached.set(arn, arn.split("/").at(-1)!);
  }

  #detach(input: Input): undefined {
    this.#of(input).attached.delete(input["PolicyArn"] ?? "");
  }
}

const iamError = (code: string, status: number, message: string) => new AwsError(code, status, message);
const noPolicy = (name: string) =>
  iamError("NoSuchEntity", 404, `The role policy with name ${name} cannot be found.`);

function describe(role: Role): Xml {
  return {
    Path: "/",
    RoleName: role.name,
    RoleId: role.id,
    Arn: role.arn,
    CreateDate: role.createdAt.toISOString(),
    AssumeRolePolicyDocument: encodeURIComponent(role.trust),
    Description: role.description,
    MaxSessionDuration: 3600,
    Tags: role.tags,
  };
}

function requireJson(input: Input, member: string): string {
  const text = input[member] ?? "";
  try {
    JSON.parse(text);
    return text;
  } catch {
    throw iamError("MalformedPolicyDocument", 400, "Syntax errors in policy.");
  }
}

function tagsOf(input: Input): { Key: string; Value: string }[] {
  const tags: { Key: string; Value: string }[] = [];
  for (let i = 1; input[`Tags.member.${i}.Key`] !== undefined; i++)
    tags.push({ Key: input[`Tags.member.${i}.Key`]!, Value: input[`Tags.member.${i}.Value`] ?? "" });
  return tags;
}
