import { createHash, X509Certificate } from 'node:crypto'
import type { ForgedCertificate, ForgedListOrder, ForgedOrder } from '@stox/testkit'
import { forgeCertificate, forgeRevocationList, newForgedKeys } from '@stox/testkit'
import {
  RevocationLists,
  TrustAnchors,
  certificateJudge,
  pinOf,
  readCertificate,
  readRevocationList,
} from '@stox/transport'
import type { DomainName } from '@stox/xmpp'

const MONTAGUE = 'montague.example' as DomainName
const NOW_MS = Date.now()
const clock = { wallMs: () => NOW_MS }

const server = (order: ForgedOrder = {}): ForgedCertificate =>
  forgeCertificate({ names: [{ kind: 'dns', text: MONTAGUE }], keyUsage: 0x80, ...order })

/** What `openssl x509 -pubkey`, `openssl pkey -pubin -outform der` and `openssl dgst -sha256 -binary` make of it, in Base64. */
const pin = ({ cert }: ForgedCertificate): string =>
  createHash('sha256')
    .update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64')

const root = forgeCertificate({ subject: 'Root', authority: { isAuthority: true }, keyUsage: 0x06 })
const anchors = (() => {
  const read = readCertificate(root.der)
  if (!read.ok) throw new Error(read.failure.detail)
  return new TrustAnchors([read.value])
})()

function judged(chain: readonly ForgedCertificate[], pins: readonly string[], list?: ForgedListOrder): string {
  const read = list === undefined ? undefined : readRevocationList(forgeRevocationList(list).der)
  const revocations = { lists: new RevocationLists(read?.ok === true ? [read.value] : []) }
  const presented = chain.map(({ der }) => der)
  const verdict = certificateJudge({ anchors }, clock, { pinsOf: () => pins, revocations })(presented, MONTAGUE)
  return verdict.ok ? 'proven' : `${verdict.kind}: ${verdict.reason}`
}

const own = server()
const signed = server({ issuer: root })
const next = server()
const renewed = server({ keys: own.keys })
const rsa = server({ keys: newForgedKeys('RSA 2048') })

test.each<[string, readonly ForgedCertificate[], readonly string[], RegExp]>([
  ['self-signed, its key pinned', [own], [pin(own)], /^proven$/],
  ['RSA', [rsa], [pin(rsa)], /^proven$/],
  ['of an unknown authority, its key pinned', [server({ issuer: own, keys: next.keys })], [pin(next)], /^proven$/],
  ['of a trusted authority, its key pinned', [signed, root], [pin(signed)], /^proven$/],
  ['a key that is to come', [next], [pin(own), pin(next)], /^proven$/],
  ['a new certificate of the same key', [renewed], [pin(own)], /^proven$/],
  ['no pins: the authority counts', [own], [], /^self-signed: /],
  ['another key, though a trusted authority vouches for it', [signed, root], [pin(own)], /^not-pinned: /],
  ['the key of its authority, not its own', [signed, root], [pin(root)], /^not-pinned: /],
  ['the pinned one sent behind another', [next, own], [pin(own)], /^not-pinned: /],
  ['nothing presented', [], [pin(own)], /^none-presented: /],
  ['expired', [server({ keys: own.keys, notAfterMs: NOW_MS - 5_000 })], [pin(own)], /^expired: /],
  ['not yet valid', [server({ keys: own.keys, notBeforeMs: NOW_MS + 60_000 })], [pin(own)], /^not-yet-valid: /],
  [
    'for another domain, self-signed all the same',
    [server({ keys: own.keys, names: [{ kind: 'dns', text: 'capulet.example' }] })],
    [pin(own)],
    /^wrong-name: /,
  ],
  ['for no TLS', [server({ keys: own.keys, keyUsage: 0x04 })], [pin(own)], /^wrong-purpose: /],
])('mapping F.4: %s', (_name, chain, pins, expected) => {
  expect(judged(chain, pins)).toMatch(expected)
})

test('the sentence has the pin that was presented, for copying, and what stands after it is advice', () => {
  expect(judged([next], [pin(own)])).toContain(`has the pin ${pin(next)}, which is not in the partner record; `)
})

test('a list of who issued it counts for a pinned one too', () => {
  expect(judged([signed], [pin(signed)], { issuer: root, revoked: [signed] })).toMatch(/^revoked: /)
  expect(judged([signed], [pin(signed)], { issuer: own, revoked: [signed] })).toBe('proven')
})

test('RFC 7469 §2.4: the pin is of the SubjectPublicKeyInfo as it stands there', () => {
  for (const certificate of [own, rsa, server({ keys: newForgedKeys('Ed25519') })]) {
    const read = readCertificate(certificate.der)
    expect(read.ok && pinOf(read.value)).toBe(pin(certificate))
  }
})

test('other pins, another verdict at once', () => {
  let pins: readonly string[] = [pin(own)]
  const judge = certificateJudge({ anchors }, clock, { pinsOf: () => pins })
  const presented = [own.der]
  expect(judge(presented, MONTAGUE)).toMatchObject({ ok: true })
  pins = [pin(next)]
  expect(judge(presented, MONTAGUE)).toMatchObject({ ok: false, kind: 'not-pinned' })
})
