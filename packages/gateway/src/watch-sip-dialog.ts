import { PIDF_TYPE, parseMediaType, parsePidf } from '@stox/sip'
import type { Pidf, SipRequest } from '@stox/sip'
import { advanceSubscriber, openSubscription, resumeSubscriber } from '@stox/sip-engine'
import type { SubscriberInput, SubscriberState, SubscriberStep } from '@stox/sip-engine'
import { takeReport } from './watch-sip-report.ts'
import type { SipTurn } from './watch-sip-state.ts'

/** The dialog in which the SIP side tells. @see RFC 6665 §4.1, RFC 8048 §5.2 */

/** COMPAT Lync: PIDF under a name of its own; never asked for. @see mapping D.14 */
const PIDF_TYPES: ReadonlySet<string> = new Set([PIDF_TYPE, 'text/xml+msrtc.pidf'])
/**
 * After a restart each dialog is asked for twice more. What the notifier sent while nobody listened fails at its end of
 * the transaction (Kamailio: `fr_timer`, at most 32 s), and takes the dialog with it although we have refreshed it since.
 * COMPAT Kamailio presence, `timeout_rm_subs`. @see RFC 6665 §4.2.2
 */
const CONFIRM_AFTER_MS = [6000, 35_000] as const

/** There is none, or soon will be none. */
export const isOver = (subscriber: SubscriberState | null): boolean =>
  subscriber === null ||
  subscriber.name === 'ended' ||
  subscriber.name === 'closing' ||
  (subscriber.name === 'subscribing' && subscriber.unwanted)

/** `expiresS` 0: one look. */
export function openDialog(turn: SipTurn, expiresS = turn.context.expiresS): void {
  const authorized = turn.state.authorization === 'active'
  take(turn, openSubscription(turn.context.order(expiresS), turn.context, { authorized }))
}

export function advanceDialog(turn: SipTurn, input: SubscriberInput): void {
  if (turn.state.subscriber !== null) take(turn, advanceSubscriber(turn.state.subscriber, input, turn.context))
}

export function endDialog(turn: SipTurn): void {
  const name = turn.state.subscriber?.name
  if (name !== 'ended' && name !== 'closing') advanceDialog(turn, { kind: 'unsubscribe' })
}

/** Ask for everything now. */
export function refresh(turn: SipTurn): void {
  const { subscriber } = turn.state
  if (isOver(subscriber)) openDialog(turn)
  else if (subscriber?.name !== 'subscribing') advanceDialog(turn, { kind: 'refresh' })
}

export function resumeDialog(turn: SipTurn): void {
  if (turn.state.subscriber === null) return
  take(turn, resumeSubscriber(turn.state.subscriber, turn.context, 0))
  for (const afterMs of CONFIRM_AFTER_MS) turn.arm(`confirm ${afterMs}`, afterMs)
}

export function takeDialogTimer(turn: SipTurn, timer: string): void {
  const name = turn.state.subscriber?.name
  if (timer === 'N' || timer === 'refresh' || timer === 'expiry' || timer === 'retry')
    advanceDialog(turn, { kind: 'timer', timer })
  else if (timer.startsWith('confirm') && (name === 'active' || name === 'pending'))
    advanceDialog(turn, { kind: 'refresh' })
}

/** A body that we cannot read changes nothing. @see mapping D.5 */
export function takeNotify(turn: SipTurn, request: SipRequest): void {
  const { subscriber } = turn.state
  let pidf: Pidf | undefined
  if (request.body.length > 0) {
    const type = parseMediaType(request.headers.get('Content-Type') ?? '')
    if (!type.ok || !PIDF_TYPES.has(type.value.type)) return turn.refuse(request, 415, [['Accept', PIDF_TYPE]])
    const parsed = parsePidf(request.body, turn.context.nowMs)
    if (!parsed.ok) return turn.refuse(request, 400)
    pidf = parsed.value
  }
  if (subscriber !== null) take(turn, advanceSubscriber(subscriber, { kind: 'notify', request }, turn.context), pidf)
}

/** `pidf`: of the NOTIFY that the step is about. */
function take(turn: SipTurn, step: SubscriberStep, pidf?: Pidf): void {
  turn.set({ subscriber: step.state })
  turn.follow(
    step.effects,
    (timer) => timer,
    (report) => takeReport(turn, report, pidf),
  )
}
