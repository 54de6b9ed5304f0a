namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Reader of the manifest's object <c>association</c>; a key that is missing has IDOL's value.</summary>
internal static class AssociationReader
{
    public static AssociationRule Read(ManifestNode json)
    {
        var rule = new AssociationRule();
        return new AssociationRule
        {
            Select = Share("select", rule.Select),
            NmsPre = Share("nms_pre", rule.NmsPre),
            AddNew = Share("add_new", rule.AddNew),
            Init = Share("init", rule.Init),
            Match = Share("match", rule.Match),
            NmsPost = Share("nms_post", rule.NmsPost),
            ForgetAfter = Count("forget_after", rule.ForgetAfter, 1000),
            Memory = json.Has("memory") ? json.OneOf<TrackletMemory>("memory") : rule.Memory,
            MemoryLength = Count("memory_length", rule.MemoryLength, 100),
            Momentum = Share("momentum", rule.Momentum),
        };

        double Share(string key, double usual) => json.Has(key) ? json.Number(key, 0, 1) : usual;

        int Count(string key, int usual, int most) => json.Has(key) ? json.Integer(key, 1, most) : usual;
    }
}
