import type { X509Certificate } from 'node:crypto'
import type { Http2Stream, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { isIP, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Code, ConnectError, createContextKey, createContextValues, type HandlerContext } from '@connectrpc/connect'
import { fastifyConnectPlugin } from '@connectrpc/connect-fastify'
import { parseHostPort, utf8Length, type Outcome, type Timer } from '@stox/kernel'
import {
  EdgeSession,
  Link,
  ProtoWriter,
  applyChange,
  edgeBatchCodec,
  endFrame,
  gatewayBatchCodec,
  sameReplica,
  sessionRowToWire,
  type EdgeEvent,
  type EndReason,
  type InboundEnvelope,
  type LinkEnd,
  type OutboundEnvelope,
  type Replica,
  type StreamError,
  type StreamNotice,
} from '@stox/link'
import { fastify } from 'fastify'
import {
  LinkDispatch,
  bounced,
  brokenHandler,
  chooseByKey,
  type DispatchEntry,
  type LinkPeer,
} from './link-dispatch.ts'
import { ATTACH_PATH, CONNECTION_WINDOW_BYTES, LinkStream, STREAM_TYPE, STREAM_WINDOW_BYTES } from './link-stream.ts'
import {
  DEFAULT_LINK_LIMITS,
  type LinkGauges,
  type LinkLimits,
  type LinkServerOptions,
  type LinkServerPort,
} from './link-types.ts'

/** A replica of 100,000 partners fits. */
const READ_MAX_BYTES = 134_217_728
/** How long a goodbye may take to get out. */
const CLOSE_MS = 500
/** How often a session is told the time. */
export const TICK_MS = 500

/** Why the one at the other end may not use this link; empty when it may. */
const kRefusal = createContextKey<string>('not asked')

type Entry = DispatchEntry<InboundEnvelope>

/** The edge's end of the link: gateways attach to it. */
export class LinkServer implements LinkServerPort {
  readonly #options: LinkServerOptions
  readonly #limits: LinkLimits
  readonly #dispatch: LinkDispatch<InboundEnvelope>
  readonly #app
  readonly #connections = new Set<ServerHttp2Session>()
  readonly #attachments = new Set<Attachment>()
  #replica: Replica | undefined
  #closed = false

  /** Throws when the certificate or the key is unusable. */
  constructor(options: LinkServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LINK_LIMITS, ...options.limits }
    this.#replica = options.replica
    this.#dispatch = new LinkDispatch({
      ...this.#limits,
      timers: options.timers,
      nowMs: () => options.clock.monotonicMs(),
      choose: (envelope, peers) => chooseByKey(`${envelope.from}\n${envelope.to}`, peers),
      flowOf: ({ remoteDomain }) => remoteDomain,
      whenLost: 'offer-again',
    })
    this.#app = fastify({
      http2: true,
      https: {
        ...options.tls,
        minVersion: 'TLSv1.3',
        requestCert: true,
        handshakeTimeout: 10_000,
        rejectUnauthorized: true,
        settings: { initialWindowSize: STREAM_WINDOW_BYTES },
      },
    })
    this.#app.server.on('session', (session: ServerHttp2Session) => {
      this.#connections.add(session)
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
      session.on('close', () => this.#connections.delete(session))
      // A connection that breaks: its streams tell it too.
      session.on('error', () => undefined)
    })
    this.#app.server.on('tlsClientError', (error: Error) => options.on.refused?.('link-tls', error.message))
    void this.#app.register(fastifyConnectPlugin, {
      connect: true,
      grpc: false,
      grpcWeb: false,
      acceptCompression: [],
      readMaxBytes: READ_MAX_BYTES,
      contextValues: (request) => createContextValues().set(kRefusal, this.#refusalOf(request.raw.socket)),
      routes: (router) => {
        router.rpc(Link.method.listSessions, (_request, context) => {
          this.#admit(context)
          return { sessions: options.on.sessions().map(sessionRowToWire) }
        })
        router.rpc(Link.method.closeSession, (request, context) => {
          this.#admit(context)
          return { found: options.on.closeSession(request.id) }
        })
      },
    })
    // The one stream that carries the load goes past the layers that are made for calls.
    this.#app.addContentTypeParser(STREAM_TYPE, (_request, _payload, done) => done(null, undefined))
    this.#app.post(ATTACH_PATH, (request, reply) => {
      reply.hijack()
      this.#admitStream(request.raw.stream, request.raw.socket)
    })
  }

  async listen(): Promise<{ readonly address: string; readonly port: number }> {
    const { listen } = this.#options
    const at = parseHostPort(listen)
    if (!at.ok) throw new Error(at.failure)
    try {
      await this.#app.listen({ host: at.value.host, port: at.value.port })
    } catch (error) {
      throw new Error(`cannot listen on ${listen}: ${listenProblem(error)}`, { cause: error })
    }
    const address = this.#app.server.address()
    if (address === null || typeof address === 'string') throw new Error('the link listens on no port')
    return { address: address.address, port: address.port }
  }

  offer(envelope: InboundEnvelope): Promise<Outcome> {
    return this.#dispatch.offer(envelope, utf8Length(envelope.stanzaXml), this.#limits.inboundHoldMs)
  }

  streamUp(notice: StreamNotice): void {
    for (const attachment of this.#attachments) attachment.tell(notice, true)
  }

  streamDown(notice: StreamNotice): void {
    for (const attachment of this.#attachments) attachment.tell(notice, false)
  }

  attachedGateways(): readonly string[] {
    return this.#dispatch.peers.map(({ name }) => name)
  }

  gauges(): LinkGauges {
    const sessions = [...this.#attachments].map(({ session }) => session)
    const sum = (of: (session: EdgeSession<Entry>) => number): number =>
      sessions.reduce((total, one) => total + of(one), 0)
    return {
      attached: this.#dispatch.peers.length,
      waiting: this.#dispatch.waiting,
      openSent: sum((session) => session.openSent),
      openTaken: sum((session) => session.openTaken),
      creditStanzas: sum((session) => session.creditStanzas),
      roundTripMs: sessions.find(({ roundTripMs }) => roundTripMs !== undefined)?.roundTripMs,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#dispatch.close()
    for (const attachment of this.#attachments) attachment.end('shutdown', `${this.#options.node} stops`)
    const force = this.#options.timers.arm(CLOSE_MS, () => {
      for (const session of this.#connections) session.destroy()
    })
    await this.#app.close()
    force.cancel()
  }

  /** The name in the certificate decides; that the inside CA signed it, TLS has checked. */
  #refusalOf(socket: Socket): string {
    const raw = isTls(socket) ? socket.getPeerX509Certificate() : undefined
    if (raw === undefined) return 'no certificate was shown'
    const named = this.#options.peers.some((peer) => isNamed(raw, peer))
    if (named) return ''
    const names = raw.subjectAltName ?? raw.subject
    return `the certificate for ${names.replaceAll('\n', ', ')} is none of this edge's peers (${this.#options.peers.join(', ')})`
  }

  #admit(context: HandlerContext): void {
    const refusal = context.values.get(kRefusal)
    if (refusal === '') return
    this.#options.on.refused?.('link-peer', refusal)
    throw new ConnectError(refusal, Code.PermissionDenied)
  }

  #admitStream(stream: ServerHttp2Stream, socket: Socket): void {
    stream.respond({ ':status': 200, 'content-type': STREAM_TYPE })
    const refusal = this.#refusalOf(socket)
    if (refusal !== '') {
      this.#options.on.refused?.('link-peer', refusal)
      return refuse(stream, { code: 'permission_denied', message: refusal })
    }
    if (this.#closed) return refuse(stream, { code: 'unavailable', message: 'this edge stops' })
    this.#attach(stream)
  }

  #attach(stream: Http2Stream): void {
    const { clock, timers } = this.#options
    const attachment: Attachment = new Attachment({
      stream,
      nowMs: () => clock.monotonicMs(),
      arm: (afterMs, fire) => timers.arm(afterMs, fire),
      session: new EdgeSession(
        {
          node: this.#options.node,
          limits: {
            window: { stanzas: this.#limits.windowStanzas, bytes: this.#limits.windowBytes },
            heartbeatMs: this.#limits.heartbeatMs,
            deadAfterMs: this.#limits.deadAfterMs,
          },
          streams: () => this.#options.on.streams(),
        },
        clock.monotonicMs(),
      ),
      heard: (event) => this.#heard(attachment, event),
      traffic: (way, stanzas, outcomes) => this.#options.on.traffic?.(way, stanzas, outcomes),
    })
    this.#attachments.add(attachment)
  }

  #heard(attachment: Attachment, event: EdgeEvent<Entry>): void {
    switch (event.kind) {
      case 'attached':
        return this.#attached(attachment, event.gateway)
      case 'replica':
        return this.#consider(attachment, event.replica.ok ? event.replica.value : event.replica.failure)
      case 'change': {
        if (!event.change.ok) return this.#consider(attachment, event.change.failure)
        if (this.#replica === undefined) return this.#consider(attachment, 'there is nothing here to change')
        if (event.change.value.revision <= this.#replica.model.revision) return this.#acknowledge(attachment)
        const changed = applyChange(this.#replica, event.change.value)
        return this.#consider(attachment, changed.ok ? changed.value : changed.failure)
      }
      case 'outbound':
        return this.#take(attachment, event.seq, event.envelope)
      case 'outcome':
        return this.#dispatch.settle(event.token, event.outcome)
      case 'room':
        return this.#dispatch.room(attachment)
      case 'round-trip':
        return this.#options.on.roundTrip?.(event.ms)
      case 'ended':
        return this.#detached(attachment, event.end)
      default:
        return event satisfies never
    }
  }

  #attached(attachment: Attachment, gateway: string): void {
    // A gateway that comes again has lost its old link, even where that is not known here yet.
    for (const other of this.#attachments) {
      if (other !== attachment && other.name === gateway) other.end('replaced', `${gateway} has attached anew`)
    }
    this.#dispatch.attach(attachment)
    this.#options.on.attached?.(gateway)
  }

  #detached(attachment: Attachment, end: LinkEnd): void {
    if (!this.#attachments.delete(attachment)) return
    const { name } = attachment
    if (name === '') {
      this.#options.on.refused?.('link-greeting', `${end.reason}: ${end.detail}`)
      return
    }
    this.#dispatch.detach(attachment, attachment.session.abandon())
    this.#options.on.detached?.(name, `${end.reason}: ${end.detail}`)
  }

  /**
   * A replica counts when it is newer, or when its gateway is the only one: a store that was set up anew starts again
   * at a low revision, and what the edge remembers from before must not outlive it.
   */
  #consider(attachment: Attachment, replica: Replica | string): void {
    if (typeof replica === 'string') {
      this.#options.on.refused?.('link-replica', replica)
      return this.#acknowledge(attachment, replica)
    }
    const current = this.#replica
    const newer = current === undefined || replica.model.revision > current.model.revision
    const alone = this.#dispatch.peers.length <= 1
    if ((newer || alone) && (current === undefined || !sameReplica(current, replica))) {
      this.#replica = replica
      this.#options.on.replica(replica, attachment.name)
    }
    this.#acknowledge(attachment)
  }

  #acknowledge(attachment: Attachment, problem?: string): void {
    attachment.acknowledge(this.#replica?.model.revision ?? 0, problem)
  }

  #take(attachment: Attachment, seq: number, envelope: OutboundEnvelope): void {
    this.#options.on.outbound(envelope, attachment.name).then(
      (outcome) => attachment.settle(seq, outcome),
      (error: unknown) => {
        this.#options.log.error('outbound-handler-failed', { detail: String(error) })
        attachment.settle(seq, bounced(brokenHandler(error)))
      },
    )
  }
}

interface AttachmentOptions {
  readonly stream: Http2Stream
  readonly session: EdgeSession<Entry>
  readonly nowMs: () => number
  arm(afterMs: number, fire: () => void): Timer
  heard(event: EdgeEvent<Entry>): void
  traffic(way: 'sent' | 'received', stanzas: number, outcomes: number): void
}

/** One gateway that is attached, or about to be. */
class Attachment implements LinkPeer<InboundEnvelope> {
  readonly #options: AttachmentOptions
  readonly session: EdgeSession<Entry>
  readonly #writer = new ProtoWriter()
  readonly #stream: LinkStream
  #timer: Timer

  constructor(options: AttachmentOptions) {
    this.#options = options
    this.session = options.session
    this.#stream = new LinkStream({
      stream: options.stream,
      readMaxBytes: READ_MAX_BYTES,
      farewell: endFrame(),
      take: () => this.#take(),
      isOver: () => this.session.ended !== undefined,
      heard: (message) => this.#read(message),
      ended: (problem) => this.end('transport', problem),
    })
    this.#timer = this.#tickLater()
  }

  /** Empty until its hello was good. */
  get name(): string {
    return this.session.gateway ?? ''
  }

  fits(bytes: number): boolean {
    return this.session.fits(bytes)
  }

  hasRoom(bytes: number): boolean {
    return this.session.hasRoom(bytes)
  }

  give(entry: Entry): void {
    this.session.offer(entry, entry.envelope, entry.bytes)
    this.#stream.poke()
  }

  settle(seq: number, outcome: Outcome): void {
    if (this.session.settle(seq, outcome)) this.#stream.poke()
  }

  acknowledge(revision: number, problem?: string): void {
    this.session.acknowledge(revision, problem)
    this.#stream.poke()
  }

  tell(notice: StreamNotice, up: boolean): void {
    this.session.streamChanged(notice, up)
    this.#stream.poke()
  }

  end(reason: EndReason, detail: string): void {
    this.#hear(this.session.end(reason, detail))
  }

  #tickLater(): Timer {
    return this.#options.arm(TICK_MS, () => {
      this.#timer = this.#tickLater()
      this.#hear(this.session.tick(this.#options.nowMs()))
    })
  }

  #take(): Uint8Array | undefined {
    const batch = this.session.takeBatch(this.#options.nowMs())
    if (batch === undefined) return undefined
    this.#options.traffic('sent', batch.stanzas.length, batch.outcomes.length)
    return edgeBatchCodec.write(this.#writer, batch)
  }

  #read(message: Uint8Array): void {
    if (this.session.ended !== undefined) return
    const batch = gatewayBatchCodec.read(message)
    if (!batch.ok) return this.end('protocol', `a batch that cannot be read: ${batch.failure}`)
    this.#options.traffic('received', batch.value.stanzas.length, batch.value.outcomes.length)
    this.#hear(this.session.receive(batch.value, this.#options.nowMs()))
  }

  #hear(events: readonly EdgeEvent<Entry>[]): void {
    for (const event of events) {
      this.#options.heard(event)
      if (event.kind === 'ended') this.#closeSoon()
    }
    this.#stream.poke()
  }

  /** The goodbye gets a moment to leave; a gateway that is only silent would not end by itself. */
  #closeSoon(): void {
    this.#timer.cancel()
    this.#options.arm(CLOSE_MS, () => this.#stream.close())
  }
}

/** An error of a stream comes in its last frame, the status is 200. @see https://connectrpc.com/docs/protocol#error-end-stream */
function refuse(stream: ServerHttp2Stream, error: StreamError): void {
  stream.on('error', () => undefined)
  stream.end(endFrame(error))
}

/** Behind the proxy of an HTTP/2 session a TLS socket is no instance of its class, but has all that it has. */
const isTls = (socket: Socket): socket is TLSSocket => Reflect.get(socket, 'encrypted') === true

function isNamed(certificate: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  return certificate.checkHost(name, { subject: 'never', wildcards: false }) !== undefined
}

function listenProblem(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return 'the port is in use'
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address'
  if (code === 'ENOTFOUND') return 'the host name is not known'
  if (code === 'EACCES') return 'not permitted (ports below 1024 need a privilege)'
  return error instanceof Error ? error.message : String(error)
}
