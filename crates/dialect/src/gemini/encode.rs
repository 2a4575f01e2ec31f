//! Writes a call for a server.

use crate::canonical::{Call, OutputFormat, Reasoning, ToolChoice};
use crate::carry::{self, Losses};
use crate::fault::CallError;
use crate::gemini::{contents, wire};
use crate::{Dialect, Encoded, Encoding};

/// Source: Gemini API, `GenerationConfig.stopSequences`, seen 2026-11.
const MOST_STOPS: usize = 5;

/// Writes a call.
pub(crate) fn call(call: &Call, encoding: &Encoding<'_>) -> Result<Encoded, CallError> {
    let mut losses = Losses::default();
    carry::extras(call, Dialect::Gemini, &[], &mut losses)?;
    note_losses(call, &mut losses);
    let conversation = contents::conversation(call, encoding.model, &mut losses)?;
    let body = wire::Call {
        system_instruction: conversation.system,
        contents: conversation.contents,
        tools: tools(call, &mut losses),
        tool_config: tool_config(call),
        generation_config: generation_config(call)?,
    };
    Ok(Encoded {
        body: carry::json(&body),
        losses: losses.into_vec(),
        headers: Vec::new(),
    })
}

fn note_losses(call: &Call, losses: &mut Losses) {
    if call.parallel_tools == Some(false) && !call.tools.is_empty() {
        losses.note(
            "parallel_tool_calls",
            "Gemini may call several tools at once",
        );
    }
    if call.user.is_some() {
        losses.note("user", "Gemini has no such parameter");
    }
    if call
        .reasoning
        .as_ref()
        .is_some_and(|reasoning| *reasoning != Reasoning::Off)
    {
        losses.note(
            "reasoning_effort",
            "it is not carried to Gemini yet: the model thinks as it sees fit",
        );
    } else if call.reasoning.is_some() {
        losses.note(
            "reasoning_effort",
            "it is not carried to Gemini yet: the model may think all the same",
        );
    }
}

fn tools<'a>(call: &'a Call, losses: &mut Losses) -> Option<[wire::Tools<'a>; 1]> {
    if call.tools.is_empty() {
        return None;
    }
    let function_declarations = call
        .tools
        .iter()
        .map(|tool| {
            if tool.strict == Some(true) {
                losses.note("tools[].function.strict", "Gemini has no such mark");
            }
            for (key, _) in &tool.extra {
                losses.note(format!("tools[].{key}"), "Gemini has no such field");
            }
            wire::Declaration {
                name: &tool.name,
                description: tool.description.as_deref(),
                // Real JSON Schema, as written: `parameters` takes a small part of it and refuses the rest.
                parameters_json_schema: tool
                    .schema
                    .as_ref()
                    .filter(|schema| schema.as_str() != "{}"),
            }
        })
        .collect();
    Some([wire::Tools {
        function_declarations,
    }])
}

fn tool_config(call: &Call) -> Option<wire::ToolConfig<'_>> {
    if call.tools.is_empty() {
        return None;
    }
    let (mode, allowed_function_names) = match call.tool_choice.as_ref()? {
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some([name.as_str()])),
    };
    Some(wire::ToolConfig {
        function_calling_config: wire::FunctionCalling {
            mode,
            allowed_function_names,
        },
    })
}

fn generation_config(call: &Call) -> Result<wire::GenerationConfig<'_>, CallError> {
    if call.stop.len() > MOST_STOPS {
        return Err(CallError::about(
            "stop",
            format!("`stop` has more than {MOST_STOPS} texts: Gemini takes no more"),
        ));
    }
    let (response_mime_type, response_json_schema) = match &call.output {
        OutputFormat::Text => (None, None),
        OutputFormat::JsonObject => (Some("application/json"), None),
        OutputFormat::JsonSchema { schema, .. } => (Some("application/json"), schema.as_ref()),
    };
    let sampling = &call.sampling;
    Ok(wire::GenerationConfig {
        candidate_count: (call.choices > 1).then_some(call.choices),
        stop_sequences: &call.stop,
        max_output_tokens: call.max_output,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        seed: sampling.seed,
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        response_mime_type,
        response_json_schema,
    })
}
