import { FederationIndex, localDomainSchema } from '@stox/federation'
import { VirtualTime } from '@stox/kernel'
import { CertificateGaps } from '../src/certificate-gaps.ts'
import { logOf, modelOf, type Line } from './samples.ts'

const DAY_MS = 86_400_000

function stage(...domains: readonly string[]) {
  const time = new VirtualTime(Date.UTC(2026, 0, 1))
  const lines: Line[] = []
  const expiries = [{ domain: 'sip.example', notAfterMs: Date.UTC(2026, 0, 3) }]
  const localDomains = domains.map((domain) => localDomainSchema.parse({ domain, route: 'sip:127.0.0.1:5060' }))
  const index = () => new FederationIndex(modelOf({ localDomains }))
  const gaps = new CertificateGaps({ tls: { expiries: () => expiries }, clock: time, log: logOf(lines), index })
  return { time, lines, expiries, gaps }
}

test('every served domain has a certificate: nothing to say', () => {
  const { gaps, lines } = stage('sip.example')
  gaps.warn()
  expect(lines).toEqual([])
  expect(gaps.report()).toEqual({ ok: true, detail: 'every served domain has one' })
})

test('one has none: a warning, once, and a detail for who looks; the others are served', () => {
  const { gaps, lines, expiries } = stage('sip.example', 'other.example')
  gaps.warn()
  gaps.warn()
  expect(lines).toMatchObject([
    { level: 'warn', event: 'served-domain-without-certificate', missing: 'other.example has no certificate' },
  ])
  expect(gaps.report()).toEqual({ ok: true, detail: 'other.example has no certificate' })
  expiries.push({ domain: 'other.example', notAfterMs: Date.UTC(2027, 0, 1) })
  expect(gaps.report().detail).toBe('every served domain has one')
})

test('one that has expired is none', () => {
  const { gaps, time } = stage('sip.example')
  time.advance(2 * DAY_MS)
  expect(gaps.report().detail).toBe('the certificate of sip.example expired on 2026-01-03')
})
