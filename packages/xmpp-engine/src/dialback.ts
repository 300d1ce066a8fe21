import type { Hashes } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'

export interface DialbackSubject {
  /** The target: the `to` of the sender's `db:result`. */
  readonly receiving: DomainName
  /** The sender's domain: the `from` of its `db:result`. */
  readonly originating: DomainName
  /** What the receiving server put into its response header. */
  readonly streamId: string
}

/**
 * The HMAC key is the hex text of the secret's digest, not its bytes. A new stream has a new id and so a new key.
 * @see XEP-0185 §3
 */
export function dialbackKey(hashes: Hashes, secret: string, subject: DialbackSubject): string {
  const text = `${subject.receiving} ${subject.originating} ${subject.streamId}`
  return hashes.hmacSha256Hex(hashes.sha256Hex(secret), text)
}

/** Takes as long for a key that is wrong at its end as for one that is wrong at its start. */
export function isDialbackKey(hashes: Hashes, secret: string, subject: DialbackSubject, claimed: string): boolean {
  const key = dialbackKey(hashes, secret, subject)
  let difference = key.length ^ claimed.length
  for (let at = 0; at < key.length; at += 1) difference |= key.charCodeAt(at) ^ (claimed.charCodeAt(at) | 0)
  return difference === 0
}
