import type { SaslElement } from '@stox/xmpp'
import { to } from './effects.ts'
import type { ExternalChance } from './feature-order.ts'
import { chooseNext } from './feature-order.ts'
import { startDialback } from './initiating-dialback.ts'
import { endWith, quit } from './initiating-end.ts'
import type { In, InitiatingWorld, Stepped } from './initiating-state.ts'
import { headerOf } from './initiating-state.ts'
import type { CertificateVerdict } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'

const NO_CERTIFICATE: CertificateVerdict = { ok: false, reason: 'the stream is not encrypted' }

/** Who only asks about a key need not say who it is. @see XEP-0220 §2.4 */
export function chanceOf(encrypted: boolean, world: InitiatingWorld): ExternalChance {
  return {
    certificate: encrypted ? world.judgeCertificate() : NO_CERTIFICATE,
    holdsCertificate: world.holdsCertificate(),
    isRefused: world.purpose.kind === 'verify',
  }
}

/** @see RFC 6120 §6.4.5, §6.4.6, mapping F.2 */
export function onSasl(state: In<'awaiting-success'>, sasl: SaslElement, world: InitiatingWorld): Stepped {
  if (sasl.kind === 'success') {
    return to(
      { name: 'awaiting-header', encrypted: true, provenBy: 'sasl-external', isBidi: state.isBidi },
      { kind: 'restart' },
      { kind: 'write', text: headerOf(world) },
    )
  }
  if (sasl.kind !== 'failure') {
    return endWith(state, 'unsupported-stanza-type', `<${sasl.kind}/> for EXTERNAL`, 'unsupported-stanza-type')
  }
  const judgement = world.judge(world.local, world.remote)
  if (!judgement.allowed) return quit(state, world, { kind: 'not-allowed', detail: judgement.reason })
  const why = sasl.text ?? `${world.remote} does not accept our certificate`
  const refused: StreamFailure = { kind: 'sasl-refused', condition: sasl.condition, detail: why }
  const next = chooseNext(judgement.rules, state.features, true, { ...chanceOf(true, world), isRefused: true })
  return next.kind === 'dialback'
    ? startDialback({ ...state, encrypted: true }, world, '', refused)
    : quit(state, world, refused)
}
