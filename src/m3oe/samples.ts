/** The texts that describe one task. */
export interface TaskText {
  /** The task's name; samples refer to it. */
  readonly name: string;
  /** What is to be predicted: the paper's task description T. */
  readonly description: string;
  /** What the inputs are: the paper's modality description M. */
  readonly modalityDescription: string;
  /** `binary`: answered yes or no; `open`: answered with text. */
  readonly type: "binary" | "open";
}

/** The encoder's output for one modality of one record; its input where the encoder is trained with the injection. */
export interface ModalityTokens {
  /** Name of the modality; each has its own projector. */
  readonly modality: string;
  /** Token features, row-major `[count, dEnc]`; with a trained encoder its `inputWidth` values, none if absent. */
  readonly tokens: Float32Array;
  /** Number of tokens that the prompt gets; may be 0 for an absent modality. */
  readonly count: number;
}

/** One public record with one question. */
export interface InjectionSample {
  /** Name of the task. */
  readonly task: string;
  /** Encoded modalities, in the task's order. */
  readonly modalities: readonly ModalityTokens[];
  /** Text that belongs to the record, e.g. a note; it stands before the question. */
  readonly text?: string;
  /** The question. */
  readonly question: string;
  /** 1 for yes and 0 for no in a binary task, the answer's text in an open one. */
  readonly label: 0 | 1 | string;
  /** Probability of yes that a federated local head gives, in [0, 1]: a soft target for `distillation`. */
  readonly teacher?: number;
}
