// Reads lines of base64url: a message encrypted for the receiver, whose private key and secret are the arguments.
// Answers each with the same plaintext, encrypted for the receiver by another sender, with padding.
const ece = require("http_ece");
const crypto = require("crypto");
const [, , key, authSecret] = process.argv;
const receiver = crypto.createECDH("prime256v1");
receiver.setPrivateKey(Buffer.from(key, "base64url"));
let pad = 0;
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const text = ece.decrypt(Buffer.from(line, "base64url"), { version: "aes128gcm", privateKey: receiver, authSecret });
  const sender = crypto.createECDH("prime256v1");
  sender.generateKeys();
  const dh = receiver.getPublicKey("base64url");
  const body = ece.encrypt(text, { version: "aes128gcm", privateKey: sender, dh, authSecret, rs: 4096, pad: pad++ });
  console.log(body.toString("base64url"));
});
