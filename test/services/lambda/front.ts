import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { XMLBuilder } from "fast-xml-parser";
import type { Account } from "./account.ts";
import { type Call, routeOf } from "./control-plane.ts";
import { AwsError } from "./errors.ts";
import type { Xml } from "./iam.ts";
import { invoke } from "./invoke.ts";
import { type OpenAccount, ORDERS_PATH, type Order, obey } from "./orders.ts";
import { checkSignature, type Signed } from "./signature.ts";

/** What one service's protocol makes of a request, and of an error. */
interface Protocol {
  answer(
    account: Account,
    signed: Signed,
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
  ): Promise<void>;
  refuse(response: ServerResponse, error: AwsError): void;
}

/** An account's endpoint, for all services: which one is meant, a request's signature says. */
export function serveAccount(account: Account, openAccount: OpenAccount): Server {
  return createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
    response.setHeader("x-amzn-RequestId", randomUUID());
    const served =
      request.url === ORDERS_PATH
        ? takeOrder(account, openAccount, request, response)
        : serve(account, request, response);
    served.catch((error: unknown) => {
      console.error(error);
      response.destroy();
    });
  });
}

async function takeOrder(
  account: Account,
  openAccount: OpenAccount,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const order = JSON.parse((await buffer(request)).toString()) as Order;
  try {
    sendJson(response, 200, { done: await obey(account, order, openAccount) });
  } catch (error) {
    sendJson(response, 400, { error: (error as Error).message });
  }
}

async function serve(account: Account, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request);
  let protocol: Protocol = LAMBDA;
  try {
    const service = /Credential=[^,]*\/([a-z]+)\/aws4_request/.exec(request.headers.authorization ?? "")?.[1];
    const known = PROTOCOLS[service ?? "lambda"];
    if (!known) throw new AwsError("UnknownServiceException", 404, `this double knows no service ${service}`);
    protocol = known;
    const signed = await checkSignature(request, body, account.callers);
    await protocol.answer(account, signed, request, body, response);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    if (!response.destroyed) protocol.refuse(response, error);
  }
}

const INVOKE =
  /^\/(?:2015-03-31\/functions\/([^/]+)\/invocations|2021-11-15\/functions\/([^/]+)\/response-streaming-invocations)$/;

const LAMBDA: Protocol = {
  async answer(account, signed, request, body, response) {
    const url = new URL(request.url!, "http://localhost");
    const base = {
      account,
      region: account.region(signed.region),
      caller: signed.caller,
      query: url.searchParams,
      body,
    };
    const invoked = request.method === "POST" && INVOKE.exec(url.pathname);
    if (invoked) {
      const [, whole, streamed] = invoked;
      const call: Call = { ...base, path: [decodeURIComponent((whole ?? streamed)!)] };
      return invoke(call, { ...invokeHeaders(request), streams: streamed !== undefined }, response);
    }
    const route = routeOf(request.method!, url.pathname);
    if (!route)
      throw new AwsError("UnknownOperationException", 404, `no ${request.method} ${url.pathname} here`);
    const { status, body: answer } = await route.operation.answer({ ...base, path: route.parts });
    sendJson(response, status, answer);
  },
  refuse(response, error) {
    response.setHeader("x-amzn-ErrorType", error.code);
    if (error.status === 429) response.setHeader("Retry-After", "1");
    // AWS itself writes the member both ways.
    const member = error.code === "AccessDeniedException" ? "Message" : "message";
    sendJson(response, error.status, { ...error.more, [member]: error.message });
  },
};

function invokeHeaders({ headers }: IncomingMessage) {
  return {
    type: String(headers["x-amz-invocation-type"] ?? "RequestResponse"),
    wantsTail: headers["x-amz-log-type"] === "Tail",
    clientContext: headers["x-amz-client-context"] as string | undefined,
  };
}

function sendJson(response: ServerResponse, status: number, body?: object, type = "application/json"): void {
  if (!body) {
    response.writeHead(status).end();
    return;
  }
  const text = JSON.stringify(body);
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(text) }).end(text);
}

const JSON_1_1 = "application/x-amz-json-1.1";

const LOGS: Protocol = {
  async answer(account, { caller, region }, request, body, response) {
    const operation = String(request.headers["x-amz-target"] ?? "").split(".")[1] ?? "";
    const input = JSON.parse(body.toString() || "{}") as Record<string, unknown>;
    const { logs } = account.region(region);
    account.authorize(caller, `logs:${operation}`, logs.arnOf(input));
    const answer = logs.answer(operation, input);
    if (!answer) throw new AwsError("UnknownOperationException", 400, `no ${operation} here`);
    sendJson(response, 200, answer, JSON_1_1);
  },
  refuse(response, error) {
    const status = error.status === 403 ? 400 : error.status;
    sendJson(response, status, { __type: error.code, message: error.message }, JSON_1_1);
  },
};

const xml = new XMLBuilder({ ignoreAttributes: false, suppressEmptyNode: true });

/** Lists are written as `member` elements. */
function inXml(value: Xml): unknown {
  if (Array.isArray(value)) return { member: value.map(inXml) };
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.map(([name, one]) => [name, inXml(one!)]));
}

/** The Query protocol of IAM and STS. */
const query = (service: "iam" | "sts", namespace: string, answerTo: QueryAnswer): Protocol => ({
  async answer(account, signed, _request, body, response) {
    const input = Object.fromEntries(new URLSearchParams(body.toString()));
    const operation = input["Action"] ?? "";
    const answer = answerTo(account, signed, operation, input);
    if (!answer)
      throw new AwsError("InvalidAction", 400, `Could not find operation ${operation} of ${service}`);
    const result = answer.result === undefined ? {} : { [`${operation}Result`]: inXml(answer.result) };
    sendXml(response, 200, {
      [`${operation}Response`]: {
        "@_xmlns": namespace,
        ...result,
        ResponseMetadata: { RequestId: randomUUID() },
      },
    });
  },
  refuse(response, { code, message, status }) {
    const Code = code === "AccessDeniedException" ? "AccessDenied" : code;
    const error = { Type: "Sender", Code, Message: message };
    sendXml(response, status, {
      ErrorResponse: { "@_xmlns": namespace, Error: error, RequestId: randomUUID() },
    });
  },
});

type QueryAnswer = (
  account: Account,
  signed: Signed,
  operation: string,
  input: Record<string, string>,
) => { result: Xml | undefined } | undefined;

function sendXml(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "text/xml" }).end(xml.build(body));
}

const IAM = query(
  "iam",
  "https://iam.amazonaws.com/doc/2010-05-08/",
  (account, { caller }, operation, input) => {
    account.authorize(caller, `iam:${operation}`, account.roles.arnOf(input["RoleName"] ?? "*"));
    return account.roles.answer(operation, input);
  },
);

const STS = query("sts", "https://sts.amazonaws.com/doc/2011-06-15/", (account, { caller }, operation) => {
  if (operation !== "GetCallerIdentity") return undefined;
  const result = { Arn: account.arnOf(caller), UserId: caller.credentials.accessKeyId, Account: account.id };
  return { result };
});

const PROTOCOLS: Readonly<Record<string, Protocol>> = { lambda: LAMBDA, logs: LOGS, iam: IAM, sts: STS };
