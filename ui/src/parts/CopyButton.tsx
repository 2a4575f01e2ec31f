// Copies a text and says so.
import { Button, type ButtonProps } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import type { ReactNode } from "react";

interface CopyProps extends ButtonProps {
  title?: string;
  "aria-label"?: string;
  text: string;
  children: ReactNode;
}

export function CopyButton({ text, children, ...button }: CopyProps) {
  const clipboard = useClipboard({ timeout: 1_500 });
  const Icon = clipboard.copied ? IconCheck : IconCopy;
  return (
    <Button
      variant="default"
      size="compact-sm"
      {...button}
      leftSection={<Icon size={14} aria-hidden />}
      onClick={() => clipboard.copy(text)}
    >
      {clipboard.copied ? "Copied" : children}
      <span className="unseen" aria-live="polite">
        {clipboard.copied ? "Copied to the clipboard" : ""}
      </span>
    </Button>
  );
}
