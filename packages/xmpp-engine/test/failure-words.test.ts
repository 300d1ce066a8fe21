import type { FailureReason, FailureStage, StreamFailure } from '@stox/xmpp-engine'
import { FAILURE_REASONS, FAILURE_STAGES, wordsOf } from '@stox/xmpp-engine'

const PARTIES = { ours: 'capulet.example', theirs: 'montague.example' }
const detail = 'why'

test.each<[StreamFailure, FailureStage, FailureReason]>([
  [{ kind: 'domain-not-found', detail }, 'dns', 'domain-not-found'],
  [{ kind: 'domain-not-found', reason: 'service-refused', detail }, 'dns', 'service-refused'],
  [{ kind: 'unreachable', reason: 'connection-refused', detail }, 'tcp', 'connection-refused'],
  [{ kind: 'tls-failed', reason: 'our-certificate-refused', detail }, 'certificate', 'our-certificate-refused'],
  [{ kind: 'certificate', reason: 'certificate-expired', detail }, 'certificate', 'certificate-expired'],
  [{ kind: 'sasl-refused', condition: 'not-authorized', detail }, 'authentication', 'sasl-refused'],
  [{ kind: 'peer-error', condition: 'host-unknown', detail }, 'policy', 'peer-host-unknown'],
  [{ kind: 'peer-error', condition: 'policy-violation', detail }, 'policy', 'peer-policy-violation'],
  [{ kind: 'peer-error', condition: 'undefined-condition', detail }, 'protocol', 'peer-error'],
  [
    { kind: 'protocol', condition: 'policy-violation', refusal: 'unknown-partner', detail },
    'policy',
    'unknown-partner',
  ],
  [{ kind: 'protocol', condition: 'policy-violation', refusal: 'stanza-too-big', detail }, 'limit', 'stanza-too-big'],
  [{ kind: 'protocol', condition: 'not-well-formed', refusal: 'malformed-xml', detail }, 'protocol', 'protocol-error'],
  [{ kind: 'protocol', condition: 'host-gone', detail }, 'policy', 'not-allowed'],
  [{ kind: 'connection-limit', detail }, 'limit', 'connection-limit'],
])('%j', (failure, stage, reason) => {
  expect(wordsOf(failure, PARTIES)).toMatchObject({ stage, reason })
})

test('the condition stands in the technical detail', () =>
  expect(wordsOf({ kind: 'peer-error', condition: 'host-unknown', detail }, PARTIES).detail).toBe('host-unknown: why'))

test('of a certificate: what is wrong with it, who must do what, and the technical detail apart', () => {
  const failure: StreamFailure = {
    kind: 'certificate',
    reason: 'certificate-expired',
    detail: 'The certificate of “CN=montague.example” expired on 2026-11-01 00:00 UTC; it must be renewed.',
    technical: 'expired: notAfter 2026-11-01 00:00 UTC',
  }
  expect(wordsOf(failure, PARTIES)).toEqual({
    stage: 'certificate',
    reason: 'certificate-expired',
    sentence: 'The certificate of “CN=montague.example” expired on 2026-11-01 00:00 UTC',
    advice: 'The administrator of montague.example must renew it.',
    detail: 'expired: notAfter 2026-11-01 00:00 UTC',
  })
})

describe.each(Object.keys(FAILURE_REASONS) as FailureReason[])('%s', (reason) => {
  const { stage, sentence, advice } = FAILURE_REASONS[reason]

  test('has a stage, a sentence that can go into another, and advice that ends', () => {
    expect(FAILURE_STAGES).toContain(stage)
    expect(sentence('montague.example', 'capulet.example')).toMatch(/^(?:[A-Z]|montague).*[^.]$/)
    expect(advice('montague.example', 'capulet.example')).toMatch(/^(?:[A-Z]).*\.$/)
  })

  test('of an unknown server it reads well', () => {
    const words = wordsOf({ kind: 'closed', reason, detail }, { ours: undefined, theirs: undefined })
    expect(words.sentence).toMatch(/^[A-Z]/)
    expect(`${words.sentence} ${words.advice}`).not.toContain('undefined')
  })
})
