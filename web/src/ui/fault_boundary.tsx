// A fault in one view is shown in its place; the rest of the page goes on.
import { Component, ReactNode } from "react";

import { Failure } from "./pieces";

export class FaultBoundary extends Component<{ children: ReactNode; resetKey: string }, { fault: string | null }> {
  state: { fault: string | null } = { fault: null };

  static getDerivedStateFromError(error: unknown): { fault: string } {
    return { fault: String((error as Error)?.message ?? error) };
  }

  componentDidUpdate(before: { resetKey: string }): void {
    if (before.resetKey !== this.props.resetKey && this.state.fault !== null) this.setState({ fault: null });
  }

  render(): ReactNode {
    if (this.state.fault === null) return this.props.children;
    return (
      <div className="page">
        <Failure text={this.state.fault} retry={() => this.setState({ fault: null })} />
      </div>
    );
  }
}
