import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forgeCertificate } from '@stox/testkit'
import type { TrustProblem } from '@stox/transport'
import { TrustStore } from '@stox/transport'

const one = forgeCertificate({ subject: 'One', authority: { isAuthority: true } })
const two = forgeCertificate({ subject: 'Two', authority: { isAuthority: true } })
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stox-trust-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function opened(pem: string): Promise<TrustStore> {
  const store = await TrustStore.open({ kind: 'pem', pem })
  if (!store.ok) throw new Error(store.failure.detail)
  return store.value
}

test('from text, with whatever stands between', async () => {
  const { anchors } = await opened(
    `# ours\n${one.cert}\nAnd theirs:\r\n${two.cert.replaceAll('\n', '\r\n')}${one.cert}`,
  )
  expect(anchors.size).toBe(2)
})

test.each<[string, TrustProblem['kind'], string]>([
  ['nothing', 'empty', ''],
  ['only a key', 'empty', one.key],
  [
    'no certificate in the block',
    'not-a-certificate',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  ],
  ['no base64', 'not-a-certificate', `${one.cert}-----BEGIN CERTIFICATE-----\n!?\n-----END CERTIFICATE-----\n`],
  ['cut off', 'not-a-certificate', one.cert + two.cert.slice(0, 200)],
])('refused: %s', async (_name, kind, pem) => {
  expect(await TrustStore.open({ kind: 'pem', pem })).toMatchObject({ ok: false, failure: { kind } })
})

test('a file is read again when asked; what cannot be read changes nothing', async () => {
  const path = join(folder, 'authorities.pem')
  expect(await TrustStore.open({ kind: 'file', path })).toMatchObject({ ok: false, failure: { kind: 'unreadable' } })
  await writeFile(path, one.cert)
  const store = await TrustStore.open({ kind: 'file', path })
  if (!store.ok) throw new Error(store.failure.detail)
  const before = store.value.anchors

  await writeFile(path, 'x')
  expect(await store.value.reload()).toMatchObject({ ok: false, failure: { kind: 'empty' } })
  expect(store.value.anchors).toBe(before)

  await writeFile(path, one.cert + two.cert)
  const [first, second] = [store.value.reload(), store.value.reload()]
  expect(first).toBe(second)
  expect((await first).ok).toBe(true)
  expect(store.value.anchors.size).toBe(2)
})

test('those of the system, or of Node', async () => {
  const store = await TrustStore.open({ kind: 'system' })
  expect(store.ok && store.value.anchors.size).toBeGreaterThan(50)
})
