/**
 * A site that handed out or gave back wrong shares although the secrets could be recovered. Envelopes are secret, so this
 * is the likeliest explanation and no proof: dealers that collude can make an honest holder look like the liar.
 */
export interface Blame {
  /** Client id. */
  readonly clientId: string;
  /** `holder` changed shares it held, `dealer` dealt shares that do not fit, `either` where one case cannot tell. */
  readonly role: "holder" | "dealer" | "either";
  /** Number of shares that did not fit. */
  readonly wrongShares: number;
}

/** Pairs of dealer and holder whose share was wrong. */
export class BlameLedger {
  readonly #pairs: { readonly dealer: number; readonly holder: number }[] = [];

  /** Notes a wrong share. */
  record(dealer: number, holder: number): void {
    this.#pairs.push({ dealer, holder });
  }

  /** Wrong shares that a holder gave so far. */
  wrongShares(holder: number): number {
    return this.#pairs.filter((pair) => pair.holder === holder).length;
  }

  /**
   * Who lied: a holder that is wrong for several dealers, or a dealer that is wrong at several holders. One single
   * wrong share cannot tell them apart, so both are named.
   */
  blame(nameOf: (index: number) => string): readonly Blame[] {
    const byHolder = (holder: number): number => this.wrongShares(holder);
    const byDealer = (dealer: number): number => this.#pairs.filter((pair) => pair.dealer === dealer).length;
    const found = new Map<string, Blame>();
    const name = (index: number, role: Blame["role"], wrongShares: number): void => {
      const clientId = nameOf(index);
      found.set(`${role} ${clientId}`, { clientId, role, wrongShares });
    };
    for (const { dealer, holder } of this.#pairs) {
      const [h, d] = [byHolder(holder), byDealer(dealer)];
      if (h > 1 && h >= d) name(holder, "holder", h);
      else if (d > 1) name(dealer, "dealer", d);
      else {
        name(holder, "either", h);
        name(dealer, "either", d);
      }
    }
    return [...found.values()];
  }
}
