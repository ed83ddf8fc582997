import type { IAM, Role } from "@aws-sdk/client-iam";
import { isAws } from "./failures.ts";
import { isRoleIn, ROLE_PATH, roleNameOf, TAGS } from "./names.ts";
import { type PolicyDocument, TRUST } from "./policy.ts";

/** Name of the one policy that each of Kinglet's roles has. */
export const POLICY_NAME = "kinglet-worker";

export interface WorkerRole {
  readonly name: string;
  readonly arn: string;
  readonly createdMs: number;
}

/**
 * The role that has this policy, made if need be; what a driver that died between its steps left is completed.
 * Safe when several do it at once: all of them make the same. Throws what IAM's client throws.
 */
export async function ensureRole(
  iam: IAM,
  policy: PolicyDocument,
  { region, version }: { readonly region: string; readonly version: string },
): Promise<WorkerRole> {
  const name = roleNameOf(policy, region);
  const role = (await findRole(iam, name)) ?? (await makeRole(iam, name, version));
  const document = JSON.stringify(policy);
  if ((await policyOf(iam, name)) !== document) {
    await iam.putRolePolicy({ RoleName: name, PolicyName: POLICY_NAME, PolicyDocument: document });
  }
  return { name, arn: role.Arn!, createdMs: role.CreateDate!.getTime() };
}

export async function findRole(iam: IAM, name: string): Promise<Role | undefined> {
  try {
    return (await iam.getRole({ RoleName: name })).Role;
  } catch (error) {
    if (isNoSuchEntity(error)) return undefined;
    throw error;
  }
}

async function makeRole(iam: IAM, name: string, version: string): Promise<Role> {
  try {
    const made = await iam.createRole({
      RoleName: name,
      Path: ROLE_PATH,
      AssumeRolePolicyDocument: JSON.stringify(TRUST),
      Description: "Kinglet's workers on AWS Lambda; `kinglet destroy aws` removes it",
      Tags: [{ Key: TAGS.version, Value: version }],
    });
    return made.Role!;
  } catch (error) {
    if (!isAws(error, "EntityAlreadyExists", "EntityAlreadyExistsException")) throw error;
    return (await iam.getRole({ RoleName: name })).Role!;
  }
}

async function policyOf(iam: IAM, name: string): Promise<string | undefined> {
  try {
    const found = await iam.getRolePolicy({ RoleName: name, PolicyName: POLICY_NAME });
    return decodeURIComponent(found.PolicyDocument ?? "");
  } catch (error) {
    if (isNoSuchEntity(error)) return undefined;
    throw error;
  }
}

/** Names of the roles that Kinglet made for functions of the region. */
export async function listRoles(iam: IAM, region: string): Promise<string[]> {
  const names: string[] = [];
  for (let Marker: string | undefined; ; ) {
    const page = await iam.listRoles({ PathPrefix: ROLE_PATH, ...(Marker ? { Marker } : {}) });
    for (const { RoleName } of page.Roles ?? []) if (isRoleIn(RoleName ?? "", region)) names.push(RoleName!);
    if (!page.IsTruncated) return names;
    Marker = page.Marker;
  }
}

/** With its policies; nothing happens where it is gone. */
export async function deleteRole(iam: IAM, name: string): Promise<void> {
  try {
    const { PolicyNames } = await iam.listRolePolicies({ RoleName: name });
    for (const PolicyName of PolicyNames ?? []) await iam.deleteRolePolicy({ RoleName: name, PolicyName });
    await iam.deleteRole({ RoleName: name });
  } catch (error) {
    if (!isNoSuchEntity(error)) throw error;
  }
}

const isNoSuchEntity = (error: unknown): boolean => isAws(error, "NoSuchEntity", "NoSuchEntityException");
