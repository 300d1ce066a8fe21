import { readFile } from 'node:fs/promises'
import * as tls from 'node:tls'
import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { Certificate } from './certificate.ts'
import { readCertificate } from './certificate.ts'

/** Where the authorities come from that we trust. */
export type TrustSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'pem'; readonly pem: string }
  /** Those of the operating system, where Node can read them; else those that come with Node. */
  | { readonly kind: 'system' }

export interface TrustProblem {
  readonly kind: 'unreadable' | 'not-a-certificate' | 'empty'
  readonly detail: string
}

/** The authorities that we trust, found by their names. A path may end at any of them, whoever signed it. */
export class TrustAnchors {
  readonly #bySubject = new Map<string, Certificate[]>()
  readonly size: number

  constructor(certificates: Iterable<Certificate>) {
    let size = 0
    for (const certificate of certificates) {
      if (this.has(certificate)) continue
      const namesakes = this.#bySubject.get(certificate.subject)
      if (namesakes === undefined) this.#bySubject.set(certificate.subject, [certificate])
      else namesakes.push(certificate)
      size += 1
    }
    this.size = size
  }

  named(subject: string): readonly Certificate[] {
    return this.#bySubject.get(subject) ?? []
  }

  has(certificate: Certificate): boolean {
    return this.named(certificate.subject).some(({ der }) => Buffer.compare(der, certificate.der) === 0)
  }
}

/** One set of anchors for all who check, loaded once, and again when asked. A reload that fails changes nothing. */
export class TrustStore {
  readonly #source: TrustSource
  #anchors: TrustAnchors
  #loading: Promise<Result<TrustAnchors, TrustProblem>> | undefined

  private constructor(source: TrustSource, anchors: TrustAnchors) {
    this.#source = source
    this.#anchors = anchors
  }

  static async open(source: TrustSource): Promise<Result<TrustStore, TrustProblem>> {
    const anchors = await loadAnchors(source)
    return anchors.ok ? ok(new TrustStore(source, anchors.value)) : anchors
  }

  get anchors(): TrustAnchors {
    return this.#anchors
  }

  /** Whoever asks while it loads gets the same answer. */
  reload(): Promise<Result<TrustAnchors, TrustProblem>> {
    this.#loading ??= loadAnchors(this.#source).then((anchors) => {
      this.#loading = undefined
      if (anchors.ok) this.#anchors = anchors.value
      return anchors
    })
    return this.#loading
  }
}

async function loadAnchors(source: TrustSource): Promise<Result<TrustAnchors, TrustProblem>> {
  if (source.kind === 'system') return ok(systemAnchors())
  if (source.kind === 'pem') return anchorsFromPem(source.pem, 'the text')
  try {
    return anchorsFromPem(await readFile(source.path, 'utf8'), source.path)
  } catch (error) {
    return fail({
      kind: 'unreadable',
      detail: `${source.path}: ${error instanceof Error ? error.message : 'unreadable'}`,
    })
  }
}

const PEM_BLOCK =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([^-]*)(?:-----END (?:TRUSTED |X509 )?CERTIFICATE-----)?/g

/** All of it or nothing: an authority that the administrator named and that is left out would be a riddle. */
function anchorsFromPem(pem: string, name: string): Result<TrustAnchors, TrustProblem> {
  const certificates: Certificate[] = []
  for (const der of pemBlocks(pem)) {
    const certificate = readCertificate(der)
    if (!certificate.ok) {
      const detail = `${name}: certificate ${certificates.length + 1}: ${certificate.failure.detail}`
      return fail({ kind: 'not-a-certificate', detail })
    }
    certificates.push(certificate.value)
  }
  if (certificates.length === 0) return fail({ kind: 'empty', detail: `${name}: no certificate in PEM form` })
  return ok(new TrustAnchors(certificates))
}

const pemBlocks = (pem: string): readonly Uint8Array[] =>
  [...pem.matchAll(PEM_BLOCK)].map(([, base64 = '']) => Buffer.from(base64, 'base64'))

/** What others chose for the system may hold what we do not read; it is left out. */
function systemAnchors(): TrustAnchors {
  const ofSystem = hasSystemStore(tls) ? tls.getCACertificates('system') : []
  const pems = new Set(ofSystem.length > 0 ? ofSystem : tls.rootCertificates)
  return new TrustAnchors(
    [...pems]
      .flatMap(pemBlocks)
      .map(readCertificate)
      .flatMap((certificate) => (certificate.ok ? [certificate.value] : [])),
  )
}

/** Node 22.15 and later. */
const hasSystemStore = (
  module: object,
): module is { readonly getCACertificates: (type: 'system') => readonly string[] } => 'getCACertificates' in module
