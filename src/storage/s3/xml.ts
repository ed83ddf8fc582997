import type { XMLParser } from "fast-xml-parser";

/** An element: its children by name, lists where there are several, text as strings. */
export interface XmlElement {
  readonly [name: string]: string | XmlElement | readonly (string | XmlElement)[] | undefined;
}

let parser: XMLParser | undefined;

/** The root element of S3's XML; undefined for what isn't XML (a proxy's error page, nothing). */
export async function parseXml(body: Uint8Array): Promise<XmlElement | undefined> {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  if (!text.trimStart().startsWith("<")) return undefined;
  if (parser === undefined) {
    const { XMLParser: Parser } = await import("fast-xml-parser");
    // Numbers stay text: a key or an ETag may look like one.
    parser = new Parser({ ignoreAttributes: true, parseTagValue: false, ignoreDeclaration: true });
  }
  try {
    const [root] = Object.values(parser.parse(text) as XmlElement);
    return typeof root === "object" && !Array.isArray(root) ? (root as XmlElement) : undefined;
  } catch {
    return undefined;
  }
}

export function textOf(element: XmlElement | undefined, name: string): string | undefined {
  const value = element?.[name];
  return typeof value === "string" ? value : undefined;
}

/** All children of that name. */
export function childrenOf(element: XmlElement | undefined, name: string): XmlElement[] {
  const value = element?.[name];
  const list = Array.isArray(value) ? value : [value];
  return list.filter((child): child is XmlElement => typeof child === "object");
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
