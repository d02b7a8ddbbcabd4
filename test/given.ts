/** The pure rules of a service: decide a command, then fold the decision into the state. */
interface Rules<State, Command, Decision> {
  decide(state: State, command: Command): Decision;
  apply(state: State, decision: Decision): void;
}

/** Given a state, when commands arrive in one batch: what is decided about each, in the pipeline's way. */
export function given<State, Command, Decision extends { missing?: true }>(
  { decide, apply }: Rules<State, Command, Decision>,
  state: State,
) {
  return {
    state,
    when(...commands: Command[]): Decision[] {
      return commands.map((command) => {
        const decision = decide(state, command);
        if (!decision.missing) apply(state, decision);
        return decision;
      });
    },
  };
}
