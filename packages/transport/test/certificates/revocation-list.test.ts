import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { ForgedCertificate, ForgedListOrder, ForgedOrder } from '@stox/testkit'
import { derOf, forgeCertificate, forgeRevocationList, newForgedKeys } from '@stox/testkit'
import {
  RevocationLists,
  RevocationStore,
  TrustAnchors,
  checkPath,
  pinOf,
  readCertificate,
  readRevocationList,
} from '@stox/transport'
import type { RevocationList } from '@stox/transport'

const NOW_MS = Date.now()
const DAY_MS = 86_400_000
const authority = (order: ForgedOrder): ForgedCertificate =>
  forgeCertificate({ authority: { isAuthority: true }, keyUsage: 0x06, ...order })
const server = (order: ForgedOrder): ForgedCertificate =>
  forgeCertificate({ names: [{ kind: 'dns', text: 'montague.example' }], keyUsage: 0x80, ...order })

const root = authority({ subject: 'Root' })
const middle = authority({ subject: 'Middle', issuer: root })
const foreign = authority({ subject: 'Foreign' })
const leaf = server({ issuer: middle })

const anchors = (certificate: ForgedCertificate): TrustAnchors => {
  const read = readCertificate(certificate.der)
  if (!read.ok) throw new Error(read.failure.detail)
  return new TrustAnchors([read.value])
}

const listsOf = (orders: readonly ForgedListOrder[]): RevocationLists =>
  new RevocationLists(
    orders.map((order) => {
      const read = readRevocationList(forgeRevocationList(order).der)
      if (!read.ok) throw new Error(read.failure)
      return read.value
    }),
  )

const verdictOf = (
  chain: readonly ForgedCertificate[],
  anchor: ForgedCertificate,
  lists: readonly ForgedListOrder[],
): string => {
  const presented = chain.map(({ der }) => der)
  const verdict = checkPath(presented, anchors(anchor), NOW_MS, 'xmpp', listsOf(lists))
  return verdict.ok ? 'good' : `${verdict.failure.kind}: ${verdict.failure.text}`
}

const LEAF_IS = /^revoked: .*“CN=montague\.example” has been revoked by “CN=Middle”; it must be replaced/
const MIDDLE_IS = /^revoked: .*“CN=Middle” has been revoked by “CN=Root”/
const GOOD = /^good$/
const namesake = { subject: middle.subject, keys: newForgedKeys() }
const unsigning = authority({ subject: 'Middle', keys: middle.keys, issuer: root, keyUsage: 0x04 })
const crossed = authority({ subject: 'Middle', keys: middle.keys, issuer: root })
const PART = { oid: '2.5.29.28', isCritical: true, value: derOf(0x30, derOf(0x81, Buffer.from([0xff]))) }

test.each<[string, readonly ForgedListOrder[], RegExp]>([
  ['no list', [], GOOD],
  ['a list with nothing on it', [{ issuer: middle }], GOOD],
  ['a list with another one on it', [{ issuer: middle, revoked: [server({ issuer: middle })] }], GOOD],
  ['the leaf', [{ issuer: middle, revoked: [leaf] }], LEAF_IS],
  ['the one between', [{ issuer: root, revoked: [middle] }], MIDDLE_IS],
  ['one of several lists', [{ issuer: middle }, { issuer: root }, { issuer: middle, revoked: [leaf] }], LEAF_IS],
  ['a list that does not say when the next is due', [{ issuer: middle, revoked: [leaf], nextUpdateMs: null }], LEAF_IS],
  [
    'an overdue list: what was revoked stays revoked',
    [{ issuer: middle, revoked: [leaf], thisUpdateMs: NOW_MS - 9 * DAY_MS, nextUpdateMs: NOW_MS - DAY_MS }],
    LEAF_IS,
  ],
  ['a list for a part of what was issued', [{ issuer: middle, revoked: [leaf], extensions: [PART] }], LEAF_IS],
  ['SHA-384', [{ issuer: middle, revoked: [leaf], hash: 'sha384' }], LEAF_IS],
  ['a list of another authority', [{ issuer: foreign, revoked: [leaf] }], GOOD],
  ['a list of the authority above', [{ issuer: root, revoked: [leaf] }], GOOD],
  ['a list under the name of the authority, signed by another key', [{ issuer: namesake, revoked: [leaf] }], GOOD],
  ['a list of the anchor that has itself on it', [{ issuer: root, revoked: [root] }], GOOD],
])('RFC 5280 §6.3.3: %s', (_name, lists, expected) => {
  expect(verdictOf([leaf, middle], root, lists)).toMatch(expected)
})

test('RFC 5280 §6.3.3 (f): an authority that may not sign lists revokes nothing', () => {
  expect(verdictOf([leaf, unsigning], root, [{ issuer: middle, revoked: [leaf] }])).toBe('good')
})

test('one certificate of an authority is revoked, and another of the same key is not', () => {
  expect(verdictOf([leaf, middle, crossed], root, [{ issuer: root, revoked: [middle] }])).toBe('good')
})

test.each(['RSA 2048', 'Ed25519'] as const)('%s signs lists too', (kind) => {
  const own = authority({ subject: kind, keys: newForgedKeys(kind) })
  const theirs = server({ issuer: own })
  expect(verdictOf([theirs], own, [{ issuer: own, revoked: [theirs] }])).toMatch(/^revoked/)
})

/** Made by OpenSSL 3.0: `openssl ca`, with a part of what was issued, as a critical extension, and a reason in the entry. */
const OPENSSL = {
  root: [
    'MIIBiTCCAS+gAwIBAgIUWJmEk5Ef15Ep79mYWEXp8hTUskQwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHT3BlbiBDQTAeFw0yNjEx',
    'MjMwOTM3NDhaFw0yNzExMjMwOTM3NDhaMBIxEDAOBgNVBAMMB09wZW4gQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS8GK8c',
    'OOyZnZsmQ4nZcTqJpTe0Q4feBjMaPGwzCsWCiTzObbT2v953Mgf8h7UWN9LRDwXGLbp8BdMuyv6wHdt9o2MwYTAdBgNVHQ4EFgQU',
    'XTrw5bVYV4/c6+qTa0pwj+WxqZ0wHwYDVR0jBBgwFoAUXTrw5bVYV4/c6+qTa0pwj+WxqZ0wDwYDVR0TAQH/BAUwAwEB/zAOBgNV',
    'HQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSAAwRQIhAO67wo8ZR0tueN4VnKMFbLbkC0AtYxQiEwSV1ykgAVKoAiBR8wJ3cf33ekGg',
    'GuUM/kgdeqlRrY15a2zGugumppqreA==',
  ].join(''),
  leaf: [
    'MIIBkjCCATmgAwIBAgIBKzAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdPcGVuIENBMB4XDTI2MTEyMzA5Mzc0OFoXDTI2MTIyMzA5',
    'Mzc0OFowGzEZMBcGA1UEAwwQbW9udGFndWUuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIdDDBb1GjIRSRHaydng',
    'X6d6pqtmcGsRYxqWxZ6Y++qwYbuyq4552CevSC/Xgcdd6JTwhcQXER5Bdxfgxv1USr6jdzB1MBsGA1UdEQQUMBKCEG1vbnRhZ3Vl',
    'LmV4YW1wbGUwCQYDVR0TBAIwADALBgNVHQ8EBAMCB4AwHQYDVR0OBBYEFAfYb3ZH2+f+WgBsOTpiNGUgoec+MB8GA1UdIwQYMBaA',
    'FF068OW1WFeP3Ovqk2tKcI/lsamdMAoGCCqGSM49BAMCA0cAMEQCIFgy6kB0X+wppe8KQ/tqJlL7jd5U3hRgChLW8NFvvJIFAiBC',
    'QrG4Kcq5IQNPHwMJb99VA39sbP1gT+QSu5PAJpAcgg==',
  ].join(''),
  list: [
    'MIIBHjCBxQIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdPcGVuIENBFw0yNjExMjMwOTM3NDhaFw0yNjExMzAwOTM3NDhaMCIw',
    'IAIBKxcNMjYxMTIzMDkzNzQ4WjAMMAoGA1UdFQQDCgEBoF4wXDAfBgNVHSMEGDAWgBRdOvDltVhXj9zr6pNrSnCP5bGpnTAtBgNV',
    'HRwBAf8EIzAhoBygGoYYaHR0cDovL2NybC5leGFtcGxlLzEuY3JsgQH/MAoGA1UdFAQDAgEBMAoGCCqGSM49BAMCA0gAMEUCIQDK',
    '4dDwDgKa6OUFBVWL/HJpf4ooE7DUj/NO+087RVaZTAIgHiS047ksjh3Cm0t4+bSpVxPQxuruCUnfqlEQvy00DFw=',
  ].join(''),
  pin: 'oWzg8U8LhbJEg3qU43/A/NjgWVlK6FedJCZDrfl0qrM=',
}

test('what OpenSSL has made: the list, and the pin of `openssl dgst -sha256`', () => {
  const certificate = readCertificate(Buffer.from(OPENSSL.leaf, 'base64'))
  const anchor = readCertificate(Buffer.from(OPENSSL.root, 'base64'))
  const list = readRevocationList(Buffer.from(OPENSSL.list, 'base64'))
  if (!certificate.ok || !anchor.ok || !list.ok) throw new Error('they are good')
  expect(pinOf(certificate.value)).toBe(OPENSSL.pin)
  const check = (lists: readonly RevocationList[]) =>
    checkPath(
      [certificate.value.der],
      new TrustAnchors([anchor.value]),
      Date.UTC(2026, 10, 24),
      'xmpp',
      new RevocationLists(lists),
    )
  expect(check([]).ok).toBe(true)
  expect(check([list.value])).toMatchObject({
    failure: { kind: 'revoked', detail: expect.stringMatching(/^serial 2B /) },
  })
  expect(list.value.nextUpdateMs).toBe(Date.UTC(2026, 10, 30, 9, 37, 48))
})

const INDIRECT = { ...PART, value: derOf(0x30, derOf(0x84, Buffer.from([0xff]))) }
const OTHER = { oid: '2.5.29.29', isCritical: true, value: derOf(0x30) }
const DELTA = { oid: '2.5.29.27', isCritical: true, value: derOf(0x02, Buffer.from([1])) }
const good = { issuer: middle, revoked: [leaf] }
test.each<[string, Buffer, RegExp]>([
  ['no DER', Buffer.from('nothing'), /not a revocation list/],
  ['a certificate', leaf.der, /not a revocation list/],
  ['something behind it', Buffer.concat([forgeRevocationList(good).der, Buffer.from([0])]), /not a revocation list/],
  ['signed with SHA-1', forgeRevocationList({ ...good, hash: 'sha1' }).der, /too weak or unknown \(ECDSA with SHA-1\)/],
  ['§5.2.5: of several issuers', forgeRevocationList({ ...good, extensions: [INDIRECT] }).der, /2\.5\.29\.28/],
  ['§5.2.4: only what has changed', forgeRevocationList({ ...good, extensions: [DELTA] }).der, /2\.5\.29\.27/],
  ['§5.3.3: an entry of another issuer', forgeRevocationList({ ...good, entryExtensions: [OTHER] }).der, /an entry/],
  ['too large', Buffer.alloc(4_194_305), /4194305 bytes/],
])('a list that is not used: %s', (_name, der, problem) => {
  expect(readRevocationList(der)).toEqual({ ok: false, failure: expect.stringMatching(problem) })
})

test('whatever the octets, it does not throw, and a changed list revokes nothing', () => {
  const { der } = forgeRevocationList(good)
  const ours = anchors(root)
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(der)
      changed[at] = changed[at]! ^ flip
      const read = readRevocationList(changed)
      if (!read.ok) return
      const lists = new RevocationLists([read.value])
      expect(checkPath([leaf.der, middle.der], ours, NOW_MS, 'xmpp', lists).ok).toBe(true)
    }),
    { numRuns: 200 },
  )
})

describe('lists in files', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'stox-lists-'))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const opened = async (name: string, content: string | Uint8Array) => {
    const file = join(directory, name)
    writeFileSync(file, content)
    return { file, store: await RevocationStore.open([file]) }
  }
  const judged = (lists: RevocationLists): string => {
    const verdict = checkPath([leaf.der, middle.der], anchors(root), NOW_MS, 'xmpp', lists)
    return verdict.ok ? 'good' : verdict.failure.kind
  }

  test.each([
    ['DER', forgeRevocationList(good).der],
    ['PEM', `a comment\n${forgeRevocationList(good).pem}`],
    ['several in PEM', forgeRevocationList({ issuer: root }).pem + forgeRevocationList(good).pem],
  ])('%s', async (name, content) => {
    const { store } = await opened(name, content)
    expect(store.ok && judged(store.value.lists)).toBe('revoked')
  })

  test('a file that cannot be used is named at the start, and later leaves what was', async () => {
    expect(await opened('nonsense', 'nonsense')).toMatchObject({
      store: { ok: false, failure: [{ file: join(directory, 'nonsense'), problem: 'not a revocation list' }] },
    })
    const { file, store } = await opened('list', forgeRevocationList(good).pem)
    if (!store.ok) throw new Error('a good list')
    writeFileSync(file, 'nonsense')
    expect(await store.value.reload()).toEqual([{ file, problem: 'not a revocation list' }])
    expect(judged(store.value.lists)).toBe('revoked')
    writeFileSync(file, forgeRevocationList({ issuer: middle }).pem)
    expect(await store.value.reload()).toEqual([])
    expect(judged(store.value.lists)).toBe('good')
  })

  test('an overdue list is told of once, and again when its successor is overdue too', async () => {
    const due = forgeRevocationList({ issuer: root, nextUpdateMs: NOW_MS + DAY_MS })
    const { file, store } = await opened('due', due.der)
    if (!store.ok) throw new Error('a good list')
    expect(store.value.newlyOverdue(NOW_MS)).toEqual([])
    expect(store.value.due(NOW_MS)).toEqual([{ file, seconds: (DAY_MS - (NOW_MS % 1000)) / 1000 }])
    expect(store.value.newlyOverdue(NOW_MS + 2 * DAY_MS)).toMatchObject([{ file }])
    expect(store.value.newlyOverdue(NOW_MS + 3 * DAY_MS)).toEqual([])
    await store.value.reload()
    expect(store.value.newlyOverdue(NOW_MS + 3 * DAY_MS)).toHaveLength(1)
  })
})
