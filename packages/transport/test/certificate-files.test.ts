import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Log } from '@stox/kernel'
import { silentLog } from '@stox/kernel'
import { makeAuthority, makeCertificate, type Certificate } from '@stox/testkit'
import { CertificateFiles } from '../src/certificate-files.ts'
import { TrustStore } from '../src/certificates/trust-store.ts'
import { systemClock, systemTimers } from '../src/system.ts'
import { TlsIdentity } from '../src/tls-identity.ts'

const DOMAIN = 'sip.example'
let directory: string
let cert: string
let key: string
let first: Certificate
let second: Certificate

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'stox-certificates-'))
  cert = join(directory, 'served.crt')
  key = join(directory, 'served.key')
  first = await makeCertificate({ names: [DOMAIN], validDays: 1 })
  second = await makeCertificate({ names: [DOMAIN], validDays: 90 })
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const open: CertificateFiles[] = []
afterEach(() => {
  for (const files of open.splice(0)) files.close()
})

const write = (pair: Partial<Certificate>): void => {
  if (pair.cert !== undefined) writeFileSync(cert, pair.cert)
  if (pair.key !== undefined) writeFileSync(key, pair.key)
}

async function watched(everyMs = 15) {
  write(first)
  const identity = TlsIdentity.of([{ domains: [DOMAIN], cert: readFileSync(cert, 'utf8'), key: first.key }])
  if (!identity.ok) throw new Error('the first certificate is good')
  const tls = identity.value
  const ca = join(directory, 'ca.crt')
  writeFileSync(ca, (await makeAuthority('one')).cert)
  const source = { kind: 'file', path: ca } as const
  const store = await TrustStore.open(source)
  if (!store.ok) throw new Error(store.failure.detail)
  const logged: string[] = []
  const log: Log = { ...silentLog, info: (event) => logged.push(event), error: (event) => logged.push(event) }
  const files = [{ domains: [DOMAIN], cert, key }]
  const trust = { source, store: store.value }
  const watching = await CertificateFiles.watch({
    files,
    tls,
    trust,
    timers: systemTimers,
    clock: systemClock,
    log,
    everyMs,
  })
  open.push(watching)
  const until = async (isSo: () => boolean): Promise<void> => {
    const deadline = Date.now() + 5_000
    while (!isSo()) {
      if (Date.now() > deadline) throw new Error(`not within 5 s: ${isSo.toString()}, ${logged.join(' ')}`)
      await setTimeout(10)
    }
  }
  return { files: watching, tls, store: store.value, ca, logged, until, daysLeft: () => daysLeft(tls) }
}

const daysLeft = (tls: TlsIdentity): number =>
  Math.round(((tls.expiries()[0]?.notAfterMs ?? 0) - Date.now()) / 86_400_000)

test('a renewed certificate counts from the next handshake on', async () => {
  const { tls, until, daysLeft: days } = await watched()
  const before = tls.contextFor(DOMAIN)
  expect(days()).toBe(1)
  write(second)
  await until(() => days() === 90)
  expect(tls.contextFor(DOMAIN)).not.toBe(before)
})

test('told that the files are new, it does not wait', async () => {
  const { files, daysLeft: days } = await watched(60_000)
  write(second)
  await files.reload()
  expect(days()).toBe(90)
})

test('a certificate without its key changes nothing until the key comes', async () => {
  const { logged, until, daysLeft: days } = await watched()
  write({ cert: second.cert })
  await until(() => logged.includes('certificates-not-reloaded'))
  expect(days()).toBe(1)
  write({ key: second.key })
  await until(() => days() === 90)
})

test.each([
  ['gone', () => rmSync(cert)],
  ['no certificate any more', () => writeFileSync(cert, 'nothing')],
])('a file that is %s changes nothing, and is told of once', async (_name, spoil) => {
  const { logged, until, daysLeft: days } = await watched()
  spoil()
  await until(() => logged.includes('certificates-not-reloaded'))
  await setTimeout(100)
  expect(logged.filter((event) => event === 'certificates-not-reloaded')).toHaveLength(1)
  expect(days()).toBe(1)
})

test('authorities of a file are read again', async () => {
  const { store, ca, until } = await watched()
  const more = await Promise.all(['two', 'three'].map((name) => makeAuthority(name)))
  writeFileSync(ca, more.map((each) => each.cert).join(''))
  await until(() => store.anchors.size === 2)
})
