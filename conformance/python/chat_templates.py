"""Chat templates as transformers renders them."""

from transformers.utils.chat_template_utils import (
    _compile_jinja_template,
    _normalize_chat_messages,
    render_jinja_template,
)


def outcome(render):
    try:
        return {"text": render()}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def render_chat_templates(cases):
    """Renders conversations as `apply_chat_template` does."""

    def render(case):
        rendered, _ = render_jinja_template(
            conversations=[_normalize_chat_messages(case["messages"])],
            chat_template=case["template"],
            add_generation_prompt=case["addGenerationPrompt"],
            **case["variables"],
        )
        return rendered[0]

    return [outcome(lambda case=case: render(case)) for case in cases]


def render_templates(templates, context):
    """Renders templates with one context."""
    return [
        outcome(lambda template=template: _compile_jinja_template(template).render(**context)) for template in templates
    ]
