// Opens HPKE wraps with @hpke/core and @hpke/hybridkem-x-wing: {seed, info, sealed} in base64 on standard input, one a
// line; the secret in base64 or REFUSED, one a line. With {public} instead of a seed it seals "from the other side".
import { createInterface } from "node:readline";
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

const ENC = 1120; // ML-KEM-768 ciphertext and X25519 point
const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const exact = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
const text = (buffer) => Buffer.from(buffer).toString("base64");

async function answer(question) {
  const info = exact(bytes(question.info));
  if (question.public) {
    const key = await suite.kem.importKey("raw", exact(bytes(question.public)), true);
    const sender = await suite.createSenderContext({ recipientPublicKey: key, info });
    const sealed = await sender.seal(exact(bytes(question.secret)));
    return text(Buffer.concat([Buffer.from(sender.enc), Buffer.from(sealed)]));
  }
  const sealed = bytes(question.sealed);
  const recipientKey = await suite.kem.importKey("raw", exact(bytes(question.seed)), false);
  const recipient = await suite.createRecipientContext({ recipientKey, enc: exact(sealed.slice(0, ENC)), info });
  return text(await recipient.open(exact(sealed.slice(ENC))));
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(await answer(JSON.parse(line)));
  } catch (error) {
    console.log(process.env.SHOW_ERRORS ? `REFUSED ${error}` : "REFUSED");
  }
}
