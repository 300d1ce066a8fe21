import { X509Certificate, createPublicKey } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import fc from 'fast-check'
import type { ForgedOrder } from '@stox/testkit'
import {
  derOf,
  distinguishedName,
  forgeCertificate,
  generalNameOf,
  makeCertificate,
  newForgedKeys,
} from '@stox/testkit'
import type { Certificate } from '@stox/transport'
import { describeCertificate, readCertificate } from '@stox/transport'

const keys = newForgedKeys()
const forged = (order: ForgedOrder) => forgeCertificate({ keys, ...order })

function read(der: Uint8Array): Certificate {
  const certificate = readCertificate(der)
  if (!certificate.ok) throw new Error(certificate.failure.detail)
  return certificate.value
}

test('what a certificate of a server says', () => {
  const { der } = forged({
    names: [
      { kind: 'dns', text: '*.Montague.example' },
      { kind: 'srv', text: '_XMPP-server.montague.example' },
      { kind: 'xmpp-addr', text: 'bücher.example' },
      { kind: 'ip', text: '10.0.0.1' },
    ],
    authority: { isAuthority: false },
    keyUsage: 0x80,
    purposes: ['1.3.6.1.5.5.7.3.1'],
    notBeforeMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    notAfterMs: Date.UTC(2051, 0, 2, 3, 4, 5),
  })
  expect(read(der)).toMatchObject({
    key: { algorithm: 'P-256' },
    signature: 'ECDSA with SHA-256',
    notBeforeMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    notAfterMs: Date.UTC(2051, 0, 2, 3, 4, 5),
    names: {
      presented: [
        { kind: 'dns', domain: '*.montague.example' },
        { kind: 'srv', domain: 'montague.example', service: 'xmpp-server' },
        { kind: 'xmpp-addr', domain: 'xn--bcher-kva.example' },
      ],
      sipDomains: [],
      forms: new Set([2, 0, 7]),
    },
    basicConstraints: { isAuthority: false, pathLength: undefined },
    keyUsage: { tls: true, keyCertSign: false },
    extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
    unknownCritical: [],
  })
})

test('what a certificate of an authority says', () => {
  const { der } = forged({
    subject: 'Root',
    authority: { isAuthority: true, pathLength: 3 },
    keyUsage: 0x06,
    nameConstraints: { permitted: [generalNameOf({ kind: 'dns', text: '.example' })] },
    more: [{ oid: '1.2.3.4', isCritical: true, value: derOf(0x05) }],
  })
  expect(read(der)).toMatchObject({
    basicConstraints: { isAuthority: true, pathLength: 3 },
    keyUsage: { tls: false, keyCertSign: true },
    extendedKeyUsage: undefined,
    nameConstraints: { permittedDns: ['.example'], excludedDns: [] },
    unknownCritical: ['1.2.3.4'],
  })
})

test.each([
  ['RSA 2048', { algorithm: 'RSA', bits: 2048 }, 'RSA with SHA-256'],
  ['RSA 1024', { algorithm: 'RSA', bits: 1024 }, 'RSA with SHA-256'],
  ['Ed25519', { algorithm: 'Ed25519' }, 'Ed25519'],
  ['secp256k1', { algorithm: '1.3.132.0.10' }, 'ECDSA with SHA-256'],
] as const)('key %s', (kind, key, signature) => {
  expect(read(forgeCertificate({ keys: newForgedKeys(kind) }).der)).toMatchObject({ key, signature })
})

test.each([
  ['localpart', 'xmpp-addr', 'romeo@montague.example'],
  ['resource', 'xmpp-addr', 'montague.example/x'],
  ['wildcard', 'xmpp-addr', '*.montague.example'],
  ['NUL', 'dns', 'montague.example\0.evil.example'],
  ['an address', 'dns', '10.0.0.1'],
  ['a final dot', 'dns', 'montague.example.'],
  ['a part of a label', 'dns', 'm*.montague.example'],
  ['a label within', 'dns', 'a.*.example'],
  ['two of them', 'dns', '*.*.example'],
  ['of a top level', 'dns', '*.example'],
  ['alone', 'dns', '*'],
  ['no service', 'srv', 'montague.example'],
  ['a service alone', 'srv', '_xmpp-server'],
  ['a blank', 'dns', ' montague.example'],
  ['U-labels', 'dns', 'b\xfccher.example'],
] as const)('a name that can match nothing: %s, %s', (_name, kind, text) => {
  expect(read(forged({ subject: 'x', names: [{ kind, text }] }).der).names.presented).toEqual([])
})

const dns = generalNameOf({ kind: 'dns', text: 'a.example' })
const base = derOf(0x30, dns)
test.each<[string, ForgedOrder]>([
  [
    'RFC 5280 §4.2: an extension twice',
    { authority: { isAuthority: false }, more: [{ oid: '2.5.29.19', value: derOf(0x30) }] },
  ],
  ['RFC 5280 §4.1.1.2: two algorithms', { outerAlgorithm: derOf(0x30, Buffer.from('06082a8648ce3d040303', 'hex')) }],
  ['RFC 5280 §4.1.2.9: extensions in version 1', { version: 1, names: [{ kind: 'dns', text: 'a.example' }] }],
  ['RFC 5280 §4.2.1.6: no name in it', { more: [{ oid: '2.5.29.17', value: derOf(0x30) }] }],
  ['RFC 5280 §4.2.1.6: not a name', { more: [{ oid: '2.5.29.17', value: derOf(0x30, derOf(0x05)) }] }],
  [
    'RFC 5280 §4.2.1.6: no end',
    { more: [{ oid: '2.5.29.17', value: Buffer.concat([derOf(0x30, dns), Buffer.from([0])]) }] },
  ],
  ['RFC 5280 §4.2.1.12: no purpose in it', { more: [{ oid: '2.5.29.37', value: derOf(0x30) }] }],
  ['RFC 5280 §4.2.1.12: not an OID', { more: [{ oid: '2.5.29.37', value: derOf(0x30, derOf(0x05)) }] }],
  ['RFC 5280 §4.2.1.3: no bits', { more: [{ oid: '2.5.29.15', value: derOf(0x03, Buffer.from([0])) }] }],
  [
    'RFC 5280 §4.2.1.9: a negative length',
    { more: [{ oid: '2.5.29.19', value: derOf(0x30, derOf(0x02, Buffer.from([0xff]))) }] },
  ],
  ['RFC 5280 §4.2.1.10: nothing in it', { nameConstraints: {} }],
  [
    'RFC 5280 §4.2.1.10: a minimum',
    { more: [{ oid: '2.5.29.30', value: derOf(0x30, derOf(0xa0, derOf(0x30, dns, derOf(0x80, Buffer.from([1]))))) }] },
  ],
  [
    'RFC 5280 §4.2.1.10: excluded before permitted',
    { more: [{ oid: '2.5.29.30', value: derOf(0x30, derOf(0xa1, base), derOf(0xa0, base)) }] },
  ],
  [
    'RFC 5280 §4.2.1.10: no name of DNS',
    { nameConstraints: { excluded: [generalNameOf({ kind: 'dns', text: '*.example' })] } },
  ],
])('malformed: %s', (_name, order) => {
  expect(readCertificate(forged({ subject: 'x', ...order }).der)).toMatchObject({
    ok: false,
    failure: { kind: 'malformed' },
  })
})

test('bytes behind it, or cut off', () => {
  const { der } = forged({ subject: 'x' })
  expect(readCertificate(Buffer.concat([der, Buffer.from([0])])).ok).toBe(false)
  expect(readCertificate(der.subarray(0, -1)).ok).toBe(false)
  const large = (bytes: number) => forged({ more: [{ oid: '1.2.3.4', value: Buffer.alloc(bytes) }] }).der
  expect(readCertificate(large(60_000)).ok).toBe(true)
  expect(readCertificate(large(66_000)).ok).toBe(false)
})

test('bits of the signature that are not used', () => {
  const der = Buffer.from(forgeCertificate({ subject: 'x', keys: newForgedKeys('Ed25519') }).der)
  expect(readCertificate(der).ok).toBe(true)
  der[der.length - 65] = 1
  expect(readCertificate(der).ok).toBe(false)
})

test.each([
  ['1', 'AQ', false],
  ['2', 'Ag', false],
  ['3', 'Aw', true],
  ['65537', 'AQAB', true],
])('an RSA key with the exponent %s', (_name, e, isGood) => {
  const publicKey = createPublicKey({
    key: { kty: 'RSA', n: Buffer.alloc(256, 0xa5).toString('base64url'), e },
    format: 'jwk',
  })
  const { der } = forgeCertificate({ issuer: forged({ subject: 'x' }), keys: { ...keys, publicKey } })
  expect(readCertificate(der).ok).toBe(isGood)
})

test('a certificate in PEM form inside another one is not taken for it', () => {
  const honest = forged({ subject: 'honest' })
  const { der } = forged({ subject: `x\n${honest.cert}` })
  expect(new X509Certificate(der).raw).toEqual(honest.der) // what makes the check necessary
  expect(readCertificate(der)).toMatchObject({ ok: false, failure: { kind: 'malformed' } })
})

test('every authority that comes with Node is read', () => {
  const failures = rootCertificates.map((pem) => readCertificate(new X509Certificate(pem).raw)).filter(({ ok }) => !ok)
  expect(failures).toEqual([])
})

test('dates, key and purposes agree with those of OpenSSL', async () => {
  const made = new X509Certificate((await makeCertificate({ names: ['a.example', '127.0.0.1'] })).cert)
  const certificate = read(made.raw)
  expect(certificate.notBeforeMs).toBe(Date.parse(made.validFrom))
  expect(certificate.notAfterMs).toBe(Date.parse(made.validTo))
  expect(certificate.extendedKeyUsage).toEqual(made.keyUsage)
  expect(certificate.names.presented).toEqual([{ kind: 'dns', domain: 'a.example' }])
})

test('one octet changed, or many left out, gives a certificate or a failure, never a throw', () => {
  const { der } = forged({
    names: [
      { kind: 'dns', text: 'a.example' },
      { kind: 'srv', text: '_xmpp-server.a.example' },
      { kind: 'xmpp-addr', text: 'a.example' },
    ],
    authority: { isAuthority: true, pathLength: 0 },
    keyUsage: 0x84,
    purposes: ['1.3.6.1.5.5.7.3.1'],
    nameConstraints: { permitted: [dns, derOf(0xa4, distinguishedName('x'))], excluded: [dns] },
  })
  expect(readCertificate(der).ok).toBe(true)
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.nat(255), fc.nat(40), (at, octet, gap) => {
      const bytes = gap < 20 ? Buffer.from(der) : Buffer.concat([der.subarray(0, at), der.subarray(at + gap)])
      if (gap < 20) bytes[at] = octet
      const certificate = readCertificate(bytes)
      if (!certificate.ok) expect(certificate.failure.kind).toBe('malformed')
    }),
    { seed: 9525, numRuns: 3_000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expect(readCertificate(bytes).ok).toBe(false)),
    { seed: 6120, numRuns: 1_000 },
  )
})

test('described for people', () => {
  const { der, cert } = forged({
    subject: 'montague\u{202e}\n<x>',
    names: [
      { kind: 'dns', text: 'montague.example' },
      { kind: 'srv', text: '_xmpp-server.montague.example' },
      { kind: 'xmpp-addr', text: 'montague.example' },
    ],
    notBeforeMs: 1_700_000_000_000,
    notAfterMs: 1_800_000_000_000,
  })
  const description = describeCertificate(read(der))
  expect(description).toEqual({
    names: ['montague.example', '_xmpp-server.montague.example', 'xmpp:montague.example'],
    subject: expect.stringMatching(/^CN=montague\u{fffd}[^\n]+x\\>$/u),
    issuer: expect.stringMatching(/^CN=montague/),
    notBeforeMs: 1_700_000_000_000,
    notAfterMs: 1_800_000_000_000,
    sha256: new X509Certificate(cert).fingerprint256,
    key: 'P-256',
    signature: 'ECDSA with SHA-256',
  })
})
