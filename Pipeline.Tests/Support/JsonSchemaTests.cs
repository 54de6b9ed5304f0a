namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>The judge is judged: each keyword passes what it should and fails what it should.</summary>
public sealed class JsonSchemaTests
{
    [Theory]
    [InlineData("""{"type":"integer"}""", "3", "3.5")]
    [InlineData("""{"type":"integer"}""", "3.0", "\"3\"")]
    [InlineData("""{"type":["string","null"]}""", "null", "1")]
    [InlineData("""{"type":"number"}""", "1e3", "true")]
    [InlineData("""{"type":"boolean"}""", "false", "null")]
    [InlineData("""{"type":"object"}""", "{}", "[]")]
    [InlineData("""{"const":"a"}""", "\"a\"", "\"b\"")]
    [InlineData("""{"enum":[null,"a"]}""", "null", "\"b\"")]
    [InlineData("""{"pattern":"^a+$"}""", "\"aa\"", "\"ab\"")]
    [InlineData("""{"minimum":0}""", "0", "-0.1")]
    [InlineData("""{"maximum":1}""", "1", "1.1")]
    [InlineData("""{"minItems":1}""", "[1]", "[]")]
    [InlineData("""{"maxItems":1}""", "[1]", "[1,2]")]
    [InlineData("""{"items":{"type":"string"}}""", "[\"a\"]", "[\"a\",1]")]
    [InlineData("""{"required":["a"]}""", "{\"a\":1}", "{}")]
    [InlineData("""{"properties":{"a":{"type":"string"}}}""", "{\"b\":1}", "{\"a\":1}")]
    [InlineData("""{"properties":{"a":{}},"additionalProperties":false}""", "{\"a\":1}", "{\"a\":1,\"b\":1}")]
    [InlineData("""{"additionalProperties":{"type":"string"}}""", "{\"a\":\"b\"}", "{\"a\":1}")]
    [InlineData("""{"allOf":[{"minimum":1},{"maximum":2}]}""", "2", "3")]
    [InlineData("""{"anyOf":[{"type":"string"},{"minimum":2,"type":"number"}]}""", "2", "1")]
    [InlineData("""{"oneOf":[{"minimum":1},{"minimum":2}]}""", "1", "2")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}""", "\"x\"", "1")]
    public void Validate_Keyword_PassesAndFails(string schema, string valid, string invalid)
    {
        Assert.Empty(JsonSchema.Of(schema).Validate(valid));
        Assert.NotEmpty(JsonSchema.Of(schema).Validate(invalid));
    }

    [Fact]
    public void Validate_UnknownKeyword_Throws()
        => Assert.Contains("uniqueItems", Assert.Throws<NotSupportedException>(() =>
            JsonSchema.Of("""{"uniqueItems":true}""").Validate("[]")).Message, StringComparison.Ordinal);

    [Fact]
    public void Validate_Error_NamesThePlace()
        => Assert.StartsWith("/a/1:",
            Assert.Single(JsonSchema.Of("""{"properties":{"a":{"items":{"type":"string"}}}}""")
                .Validate("""{"a":["x",1]}""")), StringComparison.Ordinal);

    [Theory]
    [InlineData("tracks"), InlineData("final"), InlineData("event"), InlineData("cloudevent"), InlineData("state"),
        InlineData("status"), InlineData("labels")]
    public void Load_ShippedSchema_RejectsAnEmptyObject(string name)
        => Assert.NotEmpty(JsonSchema.Load(Repo.Path($"schemas/{name}.schema.json")).Validate("{}"));
}
