import { NAME_PREFIX, ROLE_PATH } from "./names.ts";

/** An IAM policy, as `aws iam create-policy --policy-document` takes it. */
export interface PolicyDocument {
  readonly Version: "2012-10-17";
  readonly Statement: readonly PolicyStatement[];
}

export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: "Allow";
  readonly Principal?: { readonly Service: string };
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** Where a bucket's objects begin with `prefix`; "" for all of it. */
export interface S3Place {
  readonly bucket: string;
  readonly prefix: string;
}

export interface PolicyScope {
  readonly storage: S3Place;
  readonly region: string;
  /** Further places that tasks may read. */
  readonly read: readonly S3Place[];
}

/** `aws`, `aws-cn` or `aws-us-gov`. */
export function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** Who may take the role: Lambda, for the functions that have it. */
export const TRUST: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "LambdaRunsWorkers",
      Effect: "Allow",
      Principal: { Service: "lambda.amazonaws.com" },
      Action: "sts:AssumeRole",
    },
  ],
};

/**
 * What workers may do: use the store's objects, read further places, write into their own log groups; nothing else,
 * not even make a log group (so that none comes back after `kinglet destroy aws`).
 */
export function workerPolicy({ storage, region, read }: PolicyScope): PolicyDocument {
  const partition = partitionOf(region);
  return {
    Version: "2012-10-17",
    Statement: [
      ...useOf(storage, partition),
      ...(read.length > 0 ? readingOf(read, partition) : []),
      {
        Sid: "KingletLogs",
        Effect: "Allow",
        Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource: `${logGroupsIn(region)}:*`,
      },
    ],
  };
}

/** What running jobs needs where the functions are there already (`kinglet deploy aws` was run by someone else). */
export function userPolicy({ storage, region }: PolicyScope): PolicyDocument {
  const partition = partitionOf(region);
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "KingletInvoke",
        Effect: "Allow",
        Action: ["lambda:InvokeFunction", "lambda:GetFunctionConfiguration"],
        Resource: functionsIn(region),
      },
      {
        Sid: "KingletReadLogs",
        Effect: "Allow",
        Action: "logs:FilterLogEvents",
        Resource: logGroupsIn(region),
      },
      ...useOf(storage, partition),
    ],
  };
}

/** What `kinglet deploy aws`, `status`, `destroy` and `doctor` need, and first use: the user's, and making and deleting. */
export function deployerPolicy(scope: PolicyScope): PolicyDocument {
  const { region } = scope;
  const partition = partitionOf(region);
  const roles = `arn:${partition}:iam::*:role${ROLE_PATH}${NAME_PREFIX}worker-*`;
  return {
    Version: "2012-10-17",
    Statement: [
      ...userPolicy(scope).Statement,
      {
        Sid: "KingletFunctions",
        Effect: "Allow",
        Action: [
          "lambda:CreateFunction",
          "lambda:DeleteFunction",
          "lambda:ListTags",
          "lambda:TagResource",
          "lambda:UpdateFunctionCode",
          "lambda:UpdateFunctionConfiguration",
        ],
        Resource: functionsIn(region),
      },
      {
        Sid: "KingletLookAround",
        Effect: "Allow",
        Action: [
          "lambda:ListFunctions",
          "lambda:GetAccountSettings",
          "logs:DescribeLogGroups",
          "iam:ListRoles",
        ],
        Resource: "*",
      },
      {
        Sid: "KingletRoles",
        Effect: "Allow",
        Action: [
          "iam:CreateRole",
          "iam:DeleteRole",
          "iam:DeleteRolePolicy",
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListRolePolicies",
          "iam:PutRolePolicy",
          "iam:TagRole",
        ],
        Resource: roles,
      },
      {
        Sid: "KingletGiveRoles",
        Effect: "Allow",
        Action: "iam:PassRole",
        Resource: roles,
        Condition: { StringEquals: { "iam:PassedToService": "lambda.amazonaws.com" } },
      },
      {
        Sid: "KingletLogGroups",
        Effect: "Allow",
        Action: ["logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy"],
        Resource: logGroupsIn(region),
      },
    ],
  };
}

const functionsIn = (region: string): string =>
  `arn:${partitionOf(region)}:lambda:${region}:*:function:${NAME_PREFIX}*`;

const logGroupsIn = (region: string): string =>
  `arn:${partitionOf(region)}:logs:${region}:*:log-group:/aws/lambda/${NAME_PREFIX}*`;

function useOf(place: S3Place, partition: string): PolicyStatement[] {
  return [
    {
      Sid: "KingletObjects",
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
      Resource: objectsOf(place, partition),
    },
    listing("KingletList", [place], partition),
  ];
}

function readingOf(places: readonly S3Place[], partition: string): PolicyStatement[] {
  const buckets = Map.groupBy(places, ({ bucket }) => bucket);
  return [
    {
      Sid: "KingletReadObjects",
      Effect: "Allow",
      Action: "s3:GetObject",
      Resource: places.map((place) => objectsOf(place, partition)),
    },
    ...[...buckets.values()].map((inBucket, i) => listing(`KingletReadList${i + 1}`, inBucket, partition)),
  ];
}

const objectsOf = ({ bucket, prefix }: S3Place, partition: string): string =>
  `arn:${partition}:s3:::${bucket}/${prefix === "" ? "*" : `${prefix}/*`}`;

/**
 * Without s3:ListBucket, S3 answers 403 for an object that isn't there, where a worker must hear 404. A request for an object has no
 * `s3:prefix`, hence `IfExists`; the other side of it is that the *names* in the bucket's root can be listed.
 */
function listing(sid: string, places: readonly S3Place[], partition: string): PolicyStatement {
  const [{ bucket }] = places as [S3Place];
  const prefixes = places.map(({ prefix }) => (prefix === "" ? "*" : `${prefix}/*`));
  const whole = prefixes.includes("*");
  return {
    Sid: sid,
    Effect: "Allow",
    Action: "s3:ListBucket",
    Resource: `arn:${partition}:s3:::${bucket}`,
    ...(whole ? {} : { Condition: { StringLikeIfExists: { "s3:prefix": prefixes } } }),
  };
}
