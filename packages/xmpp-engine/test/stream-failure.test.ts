import type { StreamFailure } from '@stox/xmpp-engine'
import { detailOf, failureOf, verdictOfFailure } from '@stox/xmpp-engine'
import { THEM } from './support.ts'

const plain = (
  kind: Exclude<StreamFailure['kind'], 'peer-error' | 'protocol' | 'dialback-error' | 'sasl-refused'>,
): StreamFailure => ({
  kind,
  detail: 'why',
})

test.each([
  ['no SRV and no address', plain('domain-not-found'), 'remote-server-not-found', 404],
  ['the name server is in trouble', plain('dns-trouble'), 'remote-server-timeout', 504],
  ['TCP', plain('unreachable'), 'remote-server-timeout', 504],
  ['TLS', plain('tls-failed'), 'remote-server-timeout', 504],
  ['time', plain('timeout'), 'remote-server-timeout', 504],
  ['nothing in common', plain('no-method'), 'remote-server-timeout', 504],
  ['certificate', plain('certificate'), 'remote-server-timeout', 504],
  [
    'SASL refused',
    { kind: 'sasl-refused', condition: 'not-authorized', detail: '' } as const,
    'remote-server-timeout',
    502,
  ],
  ['dialback invalid', plain('dialback-invalid'), 'internal-server-error', 502],
  [
    'dialback error',
    { kind: 'dialback-error', condition: 'remote-server-not-found', detail: '' } as const,
    'remote-server-timeout',
    502,
  ],
  ['peer: host-unknown', peer('host-unknown'), 'remote-server-not-found', 404],
  ['peer: host-gone', peer('host-gone'), 'remote-server-not-found', 404],
  ['peer: not-authorized', peer('not-authorized'), 'remote-server-timeout', 502],
  ['peer: policy-violation', peer('policy-violation'), 'policy-violation', 403],
  ['peer: resource-constraint', peer('resource-constraint'), 'resource-constraint', 480],
  ['peer: system-shutdown', peer('system-shutdown'), 'remote-server-timeout', 504],
  ['peer: reset', peer('reset'), 'remote-server-timeout', 504],
  ['peer: connection-timeout', peer('connection-timeout'), 'remote-server-timeout', 504],
  ['peer: see-other-host', peer('see-other-host'), 'remote-server-timeout', 504],
  ['not on the list', plain('not-allowed'), 'not-allowed', 403],
  ['the queue is full', plain('queue-full'), 'resource-constraint', 480],
  ['the limit is reached', plain('connection-limit'), 'resource-constraint', 480],
  ['waited too long', plain('expired'), 'remote-server-timeout', 504],
  ['too large', plain('too-big'), 'policy-violation', 513],
] as const)('mapping B.3: %s [7247-7.1n.2]', (_name, failure, condition, status) => {
  const told = failureOf(failure, THEM)
  expect(told).toMatchObject({ condition, status })
  // Never a 503, which blacklists the gateway, and never a 408, which no non-INVITE may get. @see RFC 4320 §4.2
  expect([503, 408]).not.toContain(told.status)
  expect(told.text).toMatch(/^[A-Z].*[^.]$/)
  expect(told.retryAfterS !== undefined).toBe(condition === 'resource-constraint')
})

test('the detail names the condition', () =>
  expect(detailOf(peer('host-unknown'))).toBe('peer-error host-unknown: why'))

test.each([
  ['no connection', plain('unreachable'), 'remote-connection-failed'],
  ['it closed', plain('closed'), 'remote-server-timeout'],
  ['it was silent', plain('timeout'), 'remote-server-timeout'],
  ['no TLS with it', plain('tls-failed'), 'remote-connection-failed'],
  ['it does not know itself', peer('host-unknown'), 'remote-server-not-found'],
  ['it ended the stream', peer('system-shutdown'), 'remote-server-timeout'],
  ['no such domain', plain('domain-not-found'), 'remote-server-not-found'],
  ['too many of them', plain('connection-limit'), 'resource-constraint'],
] as const)('XEP-0220 §2.5: %s', (_name, failure, condition) =>
  expect(verdictOfFailure(failure)).toMatchObject({ type: 'error', condition }),
)

function peer(condition: Extract<StreamFailure, { kind: 'peer-error' }>['condition']): StreamFailure {
  return { kind: 'peer-error', condition, detail: 'why' }
}
