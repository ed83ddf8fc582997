import { hash } from "node:crypto";
import type { S3Client } from "./client.ts";
import { childrenOf, escapeXml, parseXml, textOf } from "./xml.ts";

/** S3's limit for one request. */
const BATCH_KEYS = 1000;
const BATCHES_IN_FLIGHT = 4;

/** XML can't write these, not even escaped. */
const NOT_IN_XML = /[\ufffe\uffff]/;

/** Deletes objects, a thousand a request. Objects that aren't there are no failure. */
export async function deleteObjects(
  client: S3Client,
  keys: readonly string[],
  nameOf: (key: string) => string,
): Promise<void> {
  const unique = [...new Set(keys)];
  if (unique.length === 1) return deleteOne(client, unique[0]!, nameOf);
  const plain = unique.filter((key) => !NOT_IN_XML.test(key));
  for (const key of unique) if (NOT_IN_XML.test(key)) await deleteOne(client, key, nameOf);
  const batches: string[][] = [];
  for (let at = 0; at < plain.length; at += BATCH_KEYS) batches.push(plain.slice(at, at + BATCH_KEYS));
  for (let at = 0; at < batches.length; at += BATCHES_IN_FLIGHT) {
    const some = batches.slice(at, at + BATCHES_IN_FLIGHT);
    await Promise.all(some.map((batch) => deleteBatch(client, batch, nameOf)));
  }
}

async function deleteOne(client: S3Client, key: string, nameOf: (key: string) => string): Promise<void> {
  const action = `delete ${JSON.stringify(key)}`;
  await client.send({ method: "DELETE", object: nameOf(key), accept: [404], action, key });
}

async function deleteBatch(
  client: S3Client,
  keys: readonly string[],
  nameOf: (key: string) => string,
): Promise<void> {
  const objects = keys.map((key) => `<Object><Key>${escapeXml(nameOf(key))}</Key></Object>`).join("");
  const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`);
  const request = {
    method: "POST",
    query: { delete: "" },
    // S3 demands it for this request.
    headers: { "content-md5": hash("md5", body, "base64"), "content-type": "application/xml" },
    body: [body],
    action: `delete ${keys.length} objects, ${JSON.stringify(keys[0])} among them,`,
  } as const;
  const answer = await client.send(request);
  const failed = childrenOf(await parseXml(answer.body), "Error").find(
    (error) => textOf(error, "Code") !== "NoSuchKey",
  );
  if (failed === undefined) return;
  const name = textOf(failed, "Key") ?? "";
  const key = keys.find((each) => nameOf(each) === name);
  const code = textOf(failed, "Code") ?? "InternalError";
  const xml = `<Error><Code>${escapeXml(code)}</Code><Message>${escapeXml(textOf(failed, "Message") ?? "")}</Message></Error>`;
  // As the server would have answered for this one alone.
  throw await client.failure(
    { ...request, action: `delete ${JSON.stringify(key ?? name)}`, ...(key === undefined ? {} : { key }) },
    { status: code === "InternalError" ? 500 : 400, headers: {}, body: Buffer.from(xml) },
  );
}
