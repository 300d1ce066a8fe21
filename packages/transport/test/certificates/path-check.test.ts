import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import type { ForgedCertificate, ForgedName, ForgedOrder } from '@stox/testkit'
import { derOf, distinguishedName, forgeCertificate, generalNameOf, newForgedKeys } from '@stox/testkit'
import type { CertificateFailureKind } from '@stox/transport'
import { TrustAnchors, checkPath, readCertificate } from '@stox/transport'

const NOW_MS = Date.now()
const DAY_MS = 86_400_000
const SERVER = '1.3.6.1.5.5.7.3.1'
const CLIENT = '1.3.6.1.5.5.7.3.2'
const ANY = '2.5.29.37.0'

const keys = { leaf: newForgedKeys(), root: newForgedKeys(), middle: newForgedKeys(), foreign: newForgedKeys() }
const authority = (order: ForgedOrder): ForgedCertificate =>
  forgeCertificate({ authority: { isAuthority: true }, keyUsage: 0x06, ...order })
const server = (order: ForgedOrder): ForgedCertificate =>
  forgeCertificate({
    keys: keys.leaf,
    names: [{ kind: 'dns', text: 'montague.example' }],
    authority: { isAuthority: false },
    keyUsage: 0x80,
    purposes: [SERVER],
    ...order,
  })

const root = authority({ subject: 'Root', keys: keys.root })
const middle = authority({ subject: 'Middle', keys: keys.middle, issuer: root })
const foreign = authority({ subject: 'Foreign', keys: keys.foreign })
const leaf = server({ issuer: middle })

function anchorsOf(...certificates: readonly ForgedCertificate[]): TrustAnchors {
  return new TrustAnchors(
    certificates.map(({ der }) => {
      const certificate = readCertificate(der)
      if (!certificate.ok) throw new Error(certificate.failure.detail)
      return certificate.value
    }),
  )
}

function check(presented: readonly ForgedCertificate[], anchors: readonly ForgedCertificate[] = [root]) {
  return checkPath(
    presented.map(({ der }) => der),
    anchorsOf(...anchors),
    NOW_MS,
  )
}

type Chain = readonly ForgedCertificate[]
const soon = authority({ subject: 'Middle', keys: keys.middle, issuer: root, notAfterMs: NOW_MS + 1_000 })
const gone = authority({ subject: 'Middle', keys: keys.middle, issuer: root, notAfterMs: NOW_MS - 1_000 })

test.each<[string, Chain, Chain, number]>([
  ['by the root', [server({ issuer: root })], [root], 2],
  ['by one between', [leaf, middle], [root], 3],
  ['the root sent too', [leaf, middle, root], [root], 3],
  ['out of order, with what is not needed', [leaf, root, foreign, middle], [root], 3],
  ['sent twice', [leaf, leaf, middle, middle], [root], 3],
  ['an anchor that is not a root', [leaf], [middle], 2],
  ['no purpose at all', [forgeCertificate({ subject: 'x', issuer: root })], [root], 2],
  ['any purpose', [server({ issuer: root, purposes: [ANY] })], [root], 2],
  ['purposes of server and client', [server({ issuer: root, purposes: [CLIENT, SERVER] })], [root], 2],
  [
    'an authority for servers',
    [leaf, authority({ subject: 'Middle', keys: keys.middle, issuer: root, purposes: [SERVER] })],
    [root],
    3,
  ],
  ['one between that has expired, and one that has not', [leaf, gone, middle], [root], 3],
  ['a namesake of the anchor', [leaf, middle], [authority({ subject: 'Root' }), root], 3],
  [
    'path length kept',
    [leaf, middle],
    [authority({ subject: 'Root', keys: keys.root, authority: { isAuthority: true, pathLength: 1 } })],
    3,
  ],
  [
    'RFC 5280 §4.2.1.9: an authority that issues its own next certificate does not count',
    [
      server({ issuer: middle }),
      authority({ subject: 'Middle', keys: keys.middle, issuer: { subject: middle.subject, keys: keys.foreign } }),
    ],
    [authority({ subject: 'Middle', keys: keys.foreign, authority: { isAuthority: true, pathLength: 0 } })],
    3,
  ],
  ['Ed25519', [server({ issuer: root, keys: newForgedKeys('Ed25519') })], [root], 2],
])('good: %s', (_name, chain, anchors, length) => {
  const verdict = check(chain, anchors)
  expect(verdict.ok ? verdict.value.certificates.length : verdict.failure).toBe(length)
})

test('the very certificate as an anchor, self-signed, as `openssl req -x509` makes it', () => {
  const own = server({ authority: { isAuthority: true }, keyUsage: 0x86 })
  expect(check([own], [own]).ok).toBe(true)
  expect(check([own], [root])).toMatchObject({ failure: { kind: 'self-signed' } })
})

test('good until the first of them expires', () => {
  const verdict = check([leaf, soon])
  expect(verdict.ok && verdict.value.untilMs).toBe(Math.floor((NOW_MS + 1_000) / 1_000) * 1_000)
})

const rsa1024 = newForgedKeys('RSA 1024')
const rsa2048 = newForgedKeys('RSA 2048')
const giant = {
  ...rsa2048,
  publicKey: createPublicKey({
    key: { kty: 'RSA', n: Buffer.alloc(1_025, 0xa5).toString('base64url'), e: 'AQAB' },
    format: 'jwk',
  }),
}
const rsaRoot = authority({ subject: 'RSA', keys: rsa2048, hash: 'sha1' })
const rsaLeaf = (order: ForgedOrder) => server({ issuer: rsaRoot, ...order })

test('RSA of 2048 bits and SHA-256 are enough; nobody asks how an anchor is signed', () => {
  expect(check([rsaLeaf({ keys: rsa2048 })], [rsaRoot]).ok).toBe(true)
  expect(check([rsaLeaf({ isPss: true })], [rsaRoot]).ok).toBe(true)
})

const constrained = (permitted: readonly Buffer[], excluded: readonly Buffer[] = []) =>
  authority({ subject: 'Middle', keys: keys.middle, issuer: root, nameConstraints: { permitted, excluded } })
const dns = (text: string) => generalNameOf({ kind: 'dns', text })
const named = (...names: readonly ForgedName[]) => server({ issuer: middle, subject: 'x', names })

test.each<[string, CertificateFailureKind, Chain, Chain]>([
  ['nothing', 'none-presented', [], [root]],
  ['expired', 'expired', [server({ issuer: root, notAfterMs: NOW_MS - 1_000 })], [root]],
  ['expired between', 'expired', [leaf, gone], [root]],
  [
    'an expired anchor',
    'expired',
    [leaf, middle],
    [authority({ subject: 'Root', keys: keys.root, notAfterMs: NOW_MS - 1_000 })],
  ],
  [
    'what came closest',
    'expired',
    [leaf, gone, authority({ subject: 'Middle', keys: keys.middle, issuer: foreign })],
    [root],
  ],
  [
    'not yet valid',
    'not-yet-valid',
    [server({ issuer: root, notBeforeMs: NOW_MS + DAY_MS, notAfterMs: NOW_MS + 2 * DAY_MS })],
    [root],
  ],
  ['self-signed', 'self-signed', [server({})], [root]],
  // All three look alike to Node, which says INVALID_PURPOSE and nothing else. @see mapping F.4
  ['self-signed, for servers only', 'self-signed', [server({ purposes: [SERVER] })], [root]],
  ['a foreign authority, sent along', 'unknown-issuer', [server({ issuer: foreign }), foreign], [root]],
  ['a foreign authority, not sent', 'unknown-issuer', [server({ issuer: foreign })], [root]],
  ['one between, not sent', 'unknown-issuer', [leaf], [root]],
  [
    'a foreign namesake of the anchor, sent along',
    'unknown-issuer',
    [
      server({ issuer: { subject: root.subject, keys: keys.foreign } }),
      authority({ subject: 'Root', keys: keys.foreign }),
    ],
    [root],
  ],
  [
    'the key of another under the name of the anchor',
    'bad-signature',
    [server({ issuer: { subject: root.subject, keys: keys.foreign } })],
    [root],
  ],
  ['no anchor at all', 'unknown-issuer', [leaf, middle, root], []],
  ['issued by a server', 'bad-ca', [server({ subject: 'x', issuer: leaf }), leaf, middle], [root]],
  [
    'issued by one that does not say what it is',
    'bad-ca',
    [server({ issuer: root })],
    [forgeCertificate({ subject: 'Root', keys: keys.root })],
  ],
  [
    'issued by one of version 1',
    'bad-ca',
    [server({ issuer: root })],
    [forgeCertificate({ subject: 'Root', keys: keys.root, version: 1 })],
  ],
  [
    'issued by one without keyCertSign',
    'bad-ca',
    [leaf, authority({ subject: 'Middle', keys: keys.middle, issuer: root, keyUsage: 0x80 })],
    [root],
  ],
  [
    'path length broken',
    'bad-ca',
    [leaf, middle],
    [authority({ subject: 'Root', keys: keys.root, authority: { isAuthority: true, pathLength: 0 } })],
  ],
  ['clientAuth only', 'wrong-purpose', [server({ issuer: root, purposes: [CLIENT] })], [root]],
  ['another purpose', 'wrong-purpose', [server({ issuer: root, purposes: ['1.3.6.1.5.5.7.3.8'] })], [root]],
  [
    'an authority for clients only',
    'wrong-purpose',
    [leaf, authority({ subject: 'Middle', keys: keys.middle, issuer: root, purposes: [CLIENT] })],
    [root],
  ],
  [
    'an anchor for clients only',
    'wrong-purpose',
    [leaf, middle],
    [authority({ subject: 'Root', keys: keys.root, purposes: [CLIENT] })],
  ],
  ['a key that is for signing certificates only', 'wrong-purpose', [server({ issuer: root, keyUsage: 0x04 })], [root]],
  ['RSA 1024', 'weak', [rsaLeaf({ keys: rsa1024 })], [rsaRoot]],
  [
    'an anchor with RSA 1024',
    'weak',
    [server({ issuer: { subject: distinguishedName('Old'), keys: rsa1024 } })],
    [authority({ subject: 'Old', keys: rsa1024 })],
  ],
  ['secp256k1', 'weak', [server({ issuer: root, keys: newForgedKeys('secp256k1') })], [root]],
  ['DSA', 'weak', [server({ issuer: root, keys: newForgedKeys('DSA') })], [root]],
  ['SHA-1', 'weak', [rsaLeaf({ hash: 'sha1' })], [rsaRoot]],
  ['MD5', 'weak', [rsaLeaf({ hash: 'md5' })], [rsaRoot]],
  ['ECDSA with SHA-1', 'weak', [server({ issuer: root, hash: 'sha1' })], [root]],
  ['a weak key that nothing needs', 'weak', [leaf, middle, rsaLeaf({ keys: rsa1024 })], [root]],
  ['a key that takes long', 'too-long', [server({ issuer: root, keys: giant })], [root]],
  ['RSA-PSS with SHA-1', 'weak', [rsaLeaf({ isPss: true, hash: 'sha1' })], [rsaRoot]],
  [
    'another key identifier than the issuer has',
    'bad-ca',
    [server({ issuer: root, more: [{ oid: '2.5.29.35', value: derOf(0x30, derOf(0x80, Buffer.from('one'))) }] })],
    [
      authority({
        subject: 'Root',
        keys: keys.root,
        more: [{ oid: '2.5.29.14', value: derOf(0x04, Buffer.from('two')) }],
      }),
    ],
  ],
  [
    'a critical extension',
    'unsupported',
    [server({ issuer: root, more: [{ oid: '1.2.3.4', isCritical: true, value: derOf(0x05) }] })],
    [root],
  ],
  [
    'policyConstraints between',
    'unsupported',
    [
      leaf,
      authority({
        subject: 'Middle',
        keys: keys.middle,
        issuer: root,
        more: [{ oid: '2.5.29.36', isCritical: true, value: derOf(0x30) }],
      }),
    ],
    [root],
  ],
  ['RFC 5280 §4.2.1.10: outside of what is permitted', 'bad-ca', [leaf, constrained([dns('capulet.example')])], [root]],
  [
    'one name of two outside',
    'bad-ca',
    [
      named({ kind: 'dns', text: 'a.capulet.example' }, { kind: 'dns', text: 'montague.example' }),
      constrained([dns('capulet.example')]),
    ],
    [root],
  ],
  ['excluded', 'bad-ca', [leaf, constrained([], [dns('montague.example')])], [root]],
  [
    'a wildcard over what is excluded',
    'bad-ca',
    [named({ kind: 'dns', text: '*.montague.example' }), constrained([], [dns('a.montague.example')])],
    [root],
  ],
  [
    'XmppAddr is a domain too',
    'bad-ca',
    [named({ kind: 'xmpp-addr', text: 'montague.example' }), constrained([dns('capulet.example')])],
    [root],
  ],
  [
    'SRVName is a domain too',
    'bad-ca',
    [named({ kind: 'srv', text: '_xmpp-server.montague.example' }), constrained([dns('capulet.example')])],
    [root],
  ],
  ['another directory', 'bad-ca', [leaf, constrained([derOf(0xa4, distinguishedName('x'))])], [root]],
  [
    'another directory among the names',
    'bad-ca',
    [
      server({
        issuer: middle,
        subject: 'x',
        names: [],
        more: [{ oid: '2.5.29.17', value: derOf(0x30, derOf(0xa4, distinguishedName('y'))) }],
      }),
      constrained([derOf(0xa4, distinguishedName('x'))]),
    ],
    [root],
  ],
  [
    'a constraint that is not judged',
    'bad-ca',
    [named({ kind: 'ip', text: '10.0.0.1' }), constrained([], [derOf(0x87, Buffer.alloc(8))])],
    [root],
  ],
])('bad: %s: %s', (_name, kind, chain, anchors) => {
  const verdict = check(chain, anchors)
  expect(verdict.ok ? 'ok' : verdict.failure.kind).toBe(kind)
  // A sentence, that goes on to say what to do.
  if (!verdict.ok) expect(verdict.failure.text).toMatch(/^The .+; .+\.$|^“.+; .+\.$/s)
})

test.each<[string, ForgedCertificate, ForgedCertificate]>([
  ['permitted', leaf, constrained([dns('montague.example')])],
  ['permitted, above', leaf, constrained([dns('capulet.example'), dns('example')])],
  ['permitted below', named({ kind: 'dns', text: '*.a.example' }), constrained([dns('.a.example')])],
  ['all are permitted', leaf, constrained([dns('')])],
  ['others are excluded', leaf, constrained([], [dns('capulet.example'), dns('tague.example')])],
  ['this directory', leaf, constrained([derOf(0xa4, leaf.subject)])],
  ['addresses, and there is none', leaf, constrained([], [derOf(0x87, Buffer.alloc(8))])],
])('RFC 5280 §4.2.1.10: good: %s', (_name, end, between) => {
  const verdict = check([end, between])
  expect(verdict.ok ? 'ok' : verdict.failure).toBe('ok')
})

test('a certificate that cannot be read, wherever it stands', () => {
  const anchors = anchorsOf(root)
  for (const presented of [[Buffer.from('x')], [leaf.der, Buffer.from('x'), middle.der]])
    expect(checkPath(presented, anchors, NOW_MS)).toMatchObject({ ok: false, failure: { kind: 'malformed' } })
})

test('one octet changed anywhere in the chain, and it is good no more', () => {
  const anchors = anchorsOf(root)
  fc.assert(
    fc.property(fc.nat(1), fc.nat(2_000), fc.integer({ min: 1, max: 255 }), (which, at, change) => {
      const chain = [Buffer.from(leaf.der), Buffer.from(middle.der)]
      const bytes = chain[which]!
      bytes[at % bytes.length]! ^= change
      expect(checkPath(chain, anchors, NOW_MS).ok).toBe(false)
    }),
    { seed: 7590, numRuns: 2_000 },
  )
})

test('what a stranger may cost is bounded: certificates, their size, the length of a path, signatures', () => {
  expect(check([leaf, middle, ...Array.from({ length: 9 }, () => root)])).toMatchObject({
    failure: { kind: 'too-long' },
  })
  expect(checkPath([Buffer.alloc(140_000)], anchorsOf(root), NOW_MS)).toMatchObject({ failure: { kind: 'too-long' } })

  const ladder = [root]
  for (let step = 1; step < 9; step += 1) ladder.unshift(authority({ subject: `Step ${step}`, issuer: ladder[0]! }))
  const top = server({ issuer: ladder[0]! })
  expect(check([top, ...ladder.slice(0, -1)])).toMatchObject({
    failure: { kind: 'too-long', detail: expect.stringContaining('path') },
  })
  const short = ladder.slice(-7)
  expect(check([server({ issuer: short[0]! }), ...short]).ok).toBe(true)

  // Five authorities of one name and one key that all issue one another: every order of them would be a path.
  const knot = {
    subject: 'Knot',
    keys: keys.foreign,
    issuer: { subject: distinguishedName('Knot'), keys: keys.foreign },
  }
  const knots = Array.from({ length: 5 }, () => authority(knot))
  expect(check([server({ issuer: knot.issuer }), ...knots])).toMatchObject({
    failure: { kind: 'too-long', detail: expect.stringContaining('signatures') },
  })
})

test('what is said', () => {
  const textOf = (chain: Chain) => {
    const verdict = check(chain)
    return verdict.ok ? 'ok' : verdict.failure.text
  }
  expect(textOf([server({ issuer: root, notAfterMs: Date.UTC(2026, 0, 2, 3, 4) })])).toBe(
    'The certificate of “CN=montague.example” expired on 2026-01-02 03:04 UTC; it must be renewed.',
  )
  expect(textOf([leaf])).toBe(
    'The issuer “CN=Middle” is not known here; the peer must send the certificates between its own and a trusted authority.',
  )
  expect(textOf([server({ issuer: foreign }), foreign])).toBe(
    'The authority “CN=Foreign” is not trusted here; if it should be, it must be added to the trusted ones.',
  )
})
