import { createHash, hash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SHA256_OF_NOTHING } from "../../aws/sign.ts";
import { sizeOf } from "../bodies.ts";
import type { MaybePromise } from "../contract.ts";
import { piecesOf, type RequestBody } from "./http/message.ts";

/** What the server compares a body with: it refuses one that was changed on its way. */
export interface Proof {
  readonly sha256: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const UNSIGNED = "UNSIGNED-PAYLOAD";
/** From this size on it matters who hashes what, and when. */
const BIG_BYTES = 1024 * 1024;

/**
 * Proves bodies by their SHA-256. Big ones to a server nearby (no TLS) by their MD5: it makes that anyway, for the ETag, and
 * is spared a SHA-256, which costs the two of us more than MD5 costs us. Either is signed with the headers.
 *
 * Big bodies are hashed one after the other, in steps: what is hashed is sent meanwhile, and other work goes on.
 */
export class Prover {
  readonly #ofBig: "sha256" | "md5";
  #last: Promise<unknown> = Promise.resolve();

  constructor(secure: boolean) {
    this.#ofBig = secure ? "sha256" : "md5";
  }

  proofOf(body: RequestBody | undefined): MaybePromise<Proof> {
    if (body === undefined) return { sha256: SHA256_OF_NOTHING };
    if ("sha256" in body) return { sha256: body.sha256 };
    if (sizeOf(body) >= BIG_BYTES) {
      const proof = this.#last.then(() => proofOfBig(this.#ofBig, body));
      this.#last = proof.catch(() => {});
      return proof;
    }
    if (body.length === 1) return { sha256: hash("sha256", body[0]!) };
    const digest = createHash("sha256");
    for (const chunk of body) digest.update(chunk);
    return { sha256: digest.digest("hex") };
  }
}

async function proofOfBig(algorithm: "sha256" | "md5", body: readonly Uint8Array[]): Promise<Proof> {
  const digest = createHash(algorithm);
  for (const piece of piecesOf(body)) {
    digest.update(piece);
    await nextTurn();
  }
  if (algorithm === "sha256") return { sha256: digest.digest("hex") };
  return { sha256: UNSIGNED, headers: { "content-md5": digest.digest("base64") } };
}
